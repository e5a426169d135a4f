"""What a caller is told that asks too much; how much that is: tests/net/test_rates.py."""

import pytest
from pydicom import Dataset
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind as Find,
)
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelGet as Get,
)
from tests.e2e.visitors import called, refusal
from tests.frontends.dimse.served import CT, ct, scu, serving, settle, store

from hilum.codec.sop_class import EXPLICIT_LE, VERIFICATION
from hilum.config.limits import LimitSettings
from hilum.net.rates import Rates


def question() -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", "1.2.3"
    return asked


def test_who_asks_too_much_is_out_of_resources_and_no_association_more_is_given() -> None:
    rates = Rates(LimitSettings(requests_per_second=0.001, burst=2000.0))
    contexts = [(uid, [EXPLICIT_LE]) for uid in (str(Find), str(Get), CT, VERIFICATION)]
    with serving(rates=rates) as server, scu(server, *contexts) as peer:  # the first request
        assert store(peer, ct()) == 0  # the second
        assert store(peer, ct()) == 0xA700
        settle(peer)
        assert [status.Status for status, _ in peer.send_c_find(question(), Find)] == [0xA700]
        settle(peer)
        assert [status.Status for status, _ in peer.send_c_get(question(), Get)] == [0xA702]
        settle(peer)
        assert peer.send_c_echo().Status == 0  # it has no status for that
        with called(server.port, calling="PEER") as another:
            assert refusal(another) == (2, 3, 2)  # transient, presentation, local limit exceeded


@pytest.mark.parametrize("size", [1, 1_000_000])
def test_bytes_count_as_well(size: int) -> None:
    rates = Rates(LimitSettings(bytes_per_second=size, burst=100.0))
    with serving(rates=rates) as server, scu(server, (CT, [EXPLICIT_LE])) as peer:
        assert store(peer, ct()) == 0
        assert store(peer, ct()) == (0xA700 if size == 1 else 0)
