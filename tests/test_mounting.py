from pathlib import Path

import pytest

from hilum.config.mounts import ArchiveMount, DicomwebMount, DimseMount
from hilum.config.schema import Peer, ServerSettings, Settings
from hilum.mounting import CannotMount, mounted
from hilum.net.inbox import Inbox

pytestmark = pytest.mark.anyio


def settings(folder: Path) -> Settings:
    """One mount of each kind; nobody is there, and nobody is called before somebody asks."""
    return Settings(
        server=ServerSettings(data=folder),
        mounts={
            "KEPT": ArchiveMount(),
            "PACS": DimseMount(
                backend="dimse", aet="P", host="127.0.0.1", port=1, destinations=("VIEWER",)
            ),
            "CLOUD": DicomwebMount(backend="dicomweb", url="http://127.0.0.1:1/root", send=True),
        },
        peers={"V": Peer(aet="VIEWER", host="127.0.0.1", port=1)},
    )


async def test_every_kind_of_mount_offers_everything(tmp_path: Path) -> None:
    async with mounted(settings(tmp_path), Inbox("HILUM")) as found:
        for mount in found.mounts:
            offered = (mount.echoes, mount.finds, mount.retrieves, mount.describes, mount.lends)
            assert None not in (*offered, mount.stores, mount.fetches), mount.name
        assert sorted(found.destinations) == ["VIEWER"]
        kept, pacs, cloud = (found.mounts[name] for name in ("KEPT", "PACS", "CLOUD"))
        assert (kept.sends, kept.asks) == (None, None)
        assert pacs.passed_on == {"VIEWER"}
        assert pacs.sends is not None
        assert cloud.passed_on is None
        assert cloud.sends is not None


async def test_what_an_archive_lacks_is_told_by_its_key(tmp_path: Path) -> None:
    async with mounted(settings(tmp_path), Inbox("HILUM")):
        with pytest.raises(CannotMount, match=r"^mounts\.KEPT: "):
            async with mounted(settings(tmp_path), Inbox("HILUM")):
                pass
