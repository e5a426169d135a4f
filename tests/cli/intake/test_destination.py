from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRLittleEndian
from tests.cli.served import served

from hilum.backends.archive import Archive
from hilum.backends.dimse.store import PeerStores
from hilum.cli.intake.destination import destination, running
from hilum.cli.intake.web import WebStores
from hilum.cli.walk.study import study
from hilum.config.mounts import ArchiveMount
from hilum.config.schema import DimseSettings, FrontendSettings, Peer, ServerSettings, Settings
from hilum.model.errors import BackendUnavailable
from hilum.model.instance import Instance

pytestmark = pytest.mark.anyio
SLICE = study("DESTINATION").slices[0]
DIMSE = FrontendSettings(mode="dimse")
MOUNTS = {"ARCHIVE": ArchiveMount(default=True)}


async def chunks() -> AsyncIterator[bytes]:
    yield SLICE.encoded


async def test_an_archive_that_nobody_holds_is_opened(tmp_path: Path) -> None:
    settings = Settings(server=ServerSettings(data=tmp_path), mounts=MOUNTS)
    async with destination(settings, "ARCHIVE") as stores:
        assert isinstance(stores, Archive)


@pytest.mark.parametrize("door", ["http", "dimse"])
async def test_a_broker_that_holds_it_is_given_the_instances(door: str, tmp_path: Path) -> None:
    async with served(tmp_path) as both:
        only = {"frontend": FrontendSettings(mode="dimse" if door == "dimse" else "both")}
        settings = both.model_copy(update=only)
        async with destination(settings, "ARCHIVE") as stores:
            assert isinstance(stores, WebStores if door == "http" else PeerStores)
            uid, kind = SLICE.sop_instance_uid, SLICE.sop_class_uid
            instance = Instance(uid, kind, ExplicitVRLittleEndian, chunks())
            async with stores.open() as session:
                stored = await session.store(instance)
    assert stored.failure is None


async def test_a_folder_that_cannot_be_used_is_not_taken_for_a_held_one(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    settings = Settings(server=ServerSettings(data=tmp_path / "data"), mounts=MOUNTS)
    with pytest.raises(BackendUnavailable, match="cannot be used"):
        async with destination(settings, "ARCHIVE"):
            pass


def test_a_broker_without_web_is_called_by_a_title_that_it_knows() -> None:
    peers = {"V": Peer(aet="V", host="h", port=1)}
    assert running(Settings(frontend=DIMSE, mounts=MOUNTS, peers=peers), "ARCHIVE")
    anyone = DimseSettings(accept_unknown_callers=True)
    assert running(Settings(frontend=DIMSE, mounts=MOUNTS, dimse=anyone), "ARCHIVE")
    with pytest.raises(BackendUnavailable, match="add one to"):
        running(Settings(frontend=DIMSE, mounts=MOUNTS), "ARCHIVE")
