"""The contract of every backend, through DICOMweb: a second Hilum with its memory behind."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.backends.dicomweb.served import over_memory
from tests.contract import test_backends as contract
from tests.contract.test_backends import *  # noqa: F403 - its tests, with the fixture below

from hilum.backends.cache import Kept, open_kept
from hilum.backends.dicomweb import Origin
from hilum.config.mounts import DicomwebMount
from hilum.core.adapt import Adapted
from hilum.core.described import Described
from hilum.model.identity import Ref

pytestmark = pytest.mark.anyio


WEB = "DICOMweb does not allow this Transfer Syntax: it goes out re-encoded"
ABOVE = "QIDO-RS has no such attribute, or only the far side knows"
WALKED = "who does not understand a search across levels is asked level by level, and holds nothing"
NO_DELETE = "what is deleted is only deleted here: no origin server is asked to"
NOT_HERE = {
    "test_what_is_deleted_is_gone_at_every_level_and_the_rest_stays": NO_DELETE,
    "test_a_study_shows_the_attributes_of_what_is_left": NO_DELETE,
    "test_what_was_deleted_can_be_stored_again_and_otherwise": NO_DELETE,
    "test_nothing_there_is_nothing_deleted": NO_DELETE,
    "test_storing_and_deleting_the_same_at_once_leaves_all_or_nothing": NO_DELETE,
    "test_the_transfer_syntax_stays": WEB,
    "test_the_same_in_another_syntax_is_another_data_set": WEB,
    "test_answers_say_where_to_get_it": ABOVE,
    "test_asked_attributes_are_added_and_all_if_all_are_asked": ABOVE,
    "test_studies_are_found_by_any_key[match38-numbers38]": "keys below the level are walked apart",
    "test_studies_are_found_by_any_key[match47-numbers47]": ABOVE,
    "test_what_cannot_be_matched_is_refused[Level.SERIES": WALKED,
    "test_what_cannot_be_matched_is_refused[Level.IMAGE": WALKED,
    "test_a_series_comes_in_the_order_of_its_numbers": "it comes in whatever order it is sent",
}


@pytest.fixture(autouse=True)
def what_fits(request: pytest.FixtureRequest) -> None:
    for name, reason in NOT_HERE.items():
        if request.node.name.startswith(name):
            pytest.skip(reason)


class Whole:
    """An origin with the Finds that is made of its Asks, as a mount has it."""

    def __init__(self, origin: Origin, kept: Kept) -> None:
        described = Described(origin, origin)
        self.find = Adapted(origin, 1000).find
        self.echo, self.open, self.retrieve = origin.echo, origin.open, origin.retrieve
        self.describe, self.bulk = described.describe, described.bulk
        self.lend = kept.lend


async def retrieved(backend: contract.Backend, *refs: Ref) -> list[bytes]:
    """As the contract's, but for sizes, which QIDO-RS does not tell."""
    async with backend.retrieve(refs) as retrieval:
        found = {
            each.sop_instance_uid: b"".join([c async for c in each.chunks])
            async for each in retrieval.instances
        }
        assert retrieval.manifest is not None
        assert {each.sop_instance_uid for each in retrieval.manifest} == found.keys()
        return list(found.values())


@pytest.fixture
async def backend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Whole]:
    monkeypatch.setattr(contract, "retrieved", retrieved)
    settings = DicomwebMount(backend="dicomweb", url="http://127.0.0.1:1/root")
    async with over_memory() as cloud, open_kept("CLOUD", settings, cloud, tmp_path) as kept:
        yield Whole(cloud, kept)
