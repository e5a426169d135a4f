import time
from typing import Self

import pytest
from tests import peers
from tests.frontends.dimse.served import HOST, scu, serving, settle

from hilum.codec.sop_class import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, VERIFICATION
from hilum.codec.verdict import Dimse
from hilum.config.mounts import DimseMount
from hilum.core.operations import Echo
from hilum.model.errors import BackendUnavailable
from hilum.net.inbox import Inbox


@pytest.mark.parametrize("syntax", [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE])
@pytest.mark.parametrize("called", ["HILUM", "ARCHIVE"])
def test_pynetdicom_gets_an_echo(syntax: str, called: str) -> None:
    with serving() as server, scu(server, (VERIFICATION, [syntax]), called=called) as association:
        for number in (1, 2, 65535):
            settle(association)
            assert association.send_c_echo(msg_id=number).Status == 0


def test_an_echo_asks_what_stands_behind_the_mount() -> None:
    with serving() as server, scu(server, (VERIFICATION, [IMPLICIT_LE])) as peer:
        assert peer.send_c_echo().Status == 0
        [asked] = server.asked
        assert (type(asked), asked.mount, asked.who.ae_title) == (Echo, "ARCHIVE", "PEER")


def test_an_echo_of_what_does_not_live_says_so_and_why() -> None:
    with serving(Dead) as server, scu(server, (VERIFICATION, [IMPLICIT_LE])) as peer:
        answer = peer.send_c_echo()
        assert answer.Status == Dimse.PROCESSING_FAILURE
        assert answer.ErrorComment == "no connection to it"
        settle(peer)
        assert peer.send_c_echo().Status == Dimse.PROCESSING_FAILURE  # and can be asked again


def test_an_echo_of_what_cannot_be_asked_asks_for_us() -> None:
    with serving(Nothing) as server, scu(server, (VERIFICATION, [IMPLICIT_LE])) as peer:
        assert peer.send_c_echo().Status == 0


def test_a_pacs_that_asks_whether_it_may_bring_something_is_not_asked_back() -> None:
    inbox = Inbox("ARCHIVE")
    mount = DimseMount(backend="dimse", aet="PEER", host="192.0.2.1", port=104)
    inbox.register(mount, "HILUM")
    with (
        serving(Dead, inbox=inbox) as server,
        scu(server, (VERIFICATION, [IMPLICIT_LE]), called="ARCHIVE") as peer,
    ):
        assert peer.send_c_echo().Status == 0
        assert server.asked == []


class Dead:
    """A backend that cannot be reached."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def echo(self) -> None:
        raise BackendUnavailable("no connection to it")


class Nothing:
    """A backend that offers nothing."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        return None


def test_echoscu_gets_its_echoes_without_waiting_for_acknowledgements() -> None:
    with serving() as server:
        began = time.monotonic()
        done = peers.run(
            [
                peers.dcmtk("echoscu"),
                "-aet",
                "PEER",
                "-aec",
                "HILUM",
                "--repeat",
                "500",
                HOST,
                str(server.port),
            ]
        )
        assert done.returncode == 0, done.stdout
        assert time.monotonic() - began < 18  # a delayed acknowledgement costs 40 ms each


def test_echoscu_hears_that_it_is_not_wanted() -> None:
    with serving() as server:
        done = peers.run(
            [
                peers.dcmtk("echoscu"),
                "-v",
                "-aet",
                "STRANGER",
                "-aec",
                "HILUM",
                HOST,
                str(server.port),
            ]
        )
        assert done.returncode != 0
        assert "Calling AE Title Not Recognized" in done.stdout
        done = peers.run(
            [peers.dcmtk("echoscu"), "-v", "-aet", "PEER", "-aec", "NOBODY", HOST, str(server.port)]
        )
        assert "Called AE Title Not Recognized" in done.stdout


def test_echoscu_may_propose_128_contexts_and_abort() -> None:
    with serving() as server:
        more = ["--propose-pc", "128", "--propose-ts", "38", "--abort"]
        done = peers.run(
            [peers.dcmtk("echoscu"), *more, "-aet", "PEER", "-aec", "HILUM", HOST, str(server.port)]
        )
        assert done.returncode == 0, done.stdout
