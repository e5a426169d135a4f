"""The contract of every backend, through FHIR: a second Hilum with its memory behind.

What is stored is put into that memory, as a FHIR server takes no instances.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC
from pathlib import Path

import pytest
from tests.backends.dicomweb import test_contract as web
from tests.backends.dicomweb.served import hilum
from tests.backends.fhir.served import index
from tests.contract import test_backends as contract
from tests.contract.test_backends import *  # noqa: F403 - its tests, with the fixture below

from hilum.backends.cache import Kept, open_kept
from hilum.backends.fhir import Index
from hilum.backends.memory import Memory
from hilum.codec.fhir.values import Systems
from hilum.config.mounts import FhirMount
from hilum.core.adapt import Adapted
from hilum.core.described import Described
from hilum.core.fhir.patients import PatientKey
from hilum.frontends.fhir.service import Fhir

pytestmark = pytest.mark.anyio

STORED = "that would only be seen of the memory, or of what keeps"
UNKNOWN = "FHIR has no place for it: the answer warns that it may not have been matched"
BELOW = "keys below the level are unknown to the level above"
NOT_HERE = {
    **{name: why for name, why in web.NOT_HERE.items() if "cannot_be_matched" not in name},
    **dict.fromkeys(
        (
            *("test_what_goes_in_comes_out_byte_for_byte[700001", "test_rubbish_is_refused"),
            *("test_an_instance_may_come_without", "test_without_an_identifier", "test_cut_pixels"),
            *("test_another_instance_than", "test_the_same_again", "test_another_data_set_under"),
            *("test_a_source_that_fails", "test_who_leaves", "test_many_may_store"),
            *("test_an_instance_is_lent", "test_only_one_instance_of_its_own"),
        ),
        STORED,
    ),
    "test_the_default_attributes_are_there": UNKNOWN,
    "test_what_was_matched_is_in_the_answer": UNKNOWN,
    "test_one_item_of_a_sequence_must_hold_all_its_keys": UNKNOWN,
    "test_any_of_several_values_matches": UNKNOWN,
    **{
        f"test_every_level_is_found_by_keys_of_every_level[Level.{which}]": BELOW
        for which in ("PATIENT-match4-2", "SERIES-match9-2", "IMAGE-match15-2")
    },
    **{
        f"test_studies_are_found_by_any_key[match{number}-": why
        for why, numbers in ((BELOW, (35, 36, 37, 38, 40)), (UNKNOWN, (44, 46, 50)))
        for number in numbers
    },
}


@pytest.fixture(autouse=True)
def what_fits(request: pytest.FixtureRequest) -> None:
    for name, reason in NOT_HERE.items():
        if request.node.name.startswith(name):
            pytest.skip(reason)


class Remembered:
    """Implements `core.fhir.patients.PatientIds`."""

    def __init__(self) -> None:
        self._ids: dict[PatientKey, str] = {}

    async def ids(self, _mount: str, patients: Sequence[PatientKey], /) -> Mapping[PatientKey, str]:
        return {each: self._ids.setdefault(each, f"p{len(self._ids)}") for each in patients}

    async def patients(self, _mount: str, ids: Sequence[str], /) -> Mapping[str, PatientKey]:
        return {name: key for key, name in self._ids.items() if name in ids}


class Whole:
    """An index with the Finds that is made of its Asks, as a mount has it."""

    def __init__(self, far: Index, kept: Kept, memory: Memory) -> None:
        described = Described(far, far)
        self.find = Adapted(far, 1000).find
        self.echo, self.retrieve = far.echo, far.retrieve
        self.describe, self.bulk = described.describe, described.bulk
        self.lend, self.open = kept.lend, memory.open


@pytest.fixture
async def backend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Whole]:
    monkeypatch.setattr(contract, "retrieved", web.retrieved)
    memory = Memory("FAR")
    async with (
        hilum(memory, fhir=Fhir(Remembered(), systems={"FAR": Systems(zone=UTC)})) as url,
        index(f"{url}/fhir") as far,
        open_kept("FAR", FhirMount(backend="fhir", url=url), far, tmp_path) as kept,
    ):
        yield Whole(far, kept, memory)
