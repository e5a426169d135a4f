from pathlib import Path
from typing import Any

import pytest
from tests.contract.made import made, uid
from tests.core.test_found_described import SLICE
from tests.quirky import HOST, Make, quirky

from hilum.codec import dicom_json
from hilum.config.mounts import ArchiveMount, DicomwebMount, DimseMount, FhirMount
from hilum.config.schema import Peer, ServerSettings, Settings
from hilum.model.identity import Ref
from hilum.mounting import CannotMount, mounted, open_mounting
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
            "INDEX": FhirMount(backend="fhir", url="http://127.0.0.1:1/fhir"),
        },
        peers={
            "V": Peer(aet="VIEWER", host="127.0.0.1", port=1),
            "P": Peer(aet="P", host="127.0.0.1", port=1),
        },
    )


async def test_every_kind_of_mount_offers_everything(tmp_path: Path) -> None:
    async with mounted(settings(tmp_path), Inbox("HILUM")) as found:
        for mount in found.mounts:
            offered = (mount.echoes, mount.finds, mount.retrieves, mount.describes, mount.lends)
            assert None not in (*offered, mount.fetches), mount.name
            assert (mount.stores is None) is (mount.backend == "fhir")
        assert sorted(found.destinations) == ["P", "VIEWER"]
        kept, pacs, cloud = (found.mounts[name] for name in ("KEPT", "PACS", "CLOUD"))
        assert (kept.sends, kept.asks) == (None, None)
        assert pacs.passed_on == {"VIEWER"}
        assert pacs.itself == {"P", "PACS"}
        assert pacs.sends is not None
        assert cloud.passed_on is None
        assert cloud.sends is not None


@pytest.mark.parametrize(
    ("attributes", "retrievals"), [(SLICE, 0), ({**SLICE, "RescaleSlope": None}, 1)]
)
@pytest.mark.parametrize("make", list(Make), ids=lambda each: each.value)
async def test_a_pacs_may_be_asked_for_metadata(
    tmp_path: Path, make: Make, attributes: dict[str, Any], retrievals: int
) -> None:
    slices = [made(1, 1, number, **attributes) for number in (1, 2)]
    with quirky(slices, make=make) as pacs:
        one = DimseMount(
            backend="dimse",
            aet=pacs.aet,
            host=HOST,
            port=pacs.port,
            metadata="find",
            retrieve="get",
        )
        chosen = Settings(server=ServerSettings(data=tmp_path), mounts={"PACS": one})
        async with mounted(chosen, Inbox("HILUM")) as found:
            mount = found.mounts["PACS"]
            assert not mount.describes_moves
            assert mount.describes is not None
            ref = Ref(study=uid(1), series=uid(1, 1))
            async with mount.describes.describe(ref, "http://h") as objects:
                described = [dicom_json.loads(each) async for each in objects]
        assert [each["00200032"]["Value"] for each in described] == [[0.0, 0.0, 1.5]] * 2
        assert len(pacs.of("C-GET")) == retrievals


async def test_what_an_archive_lacks_is_told_by_its_key(tmp_path: Path) -> None:
    async with mounted(settings(tmp_path), Inbox("HILUM")):
        with pytest.raises(CannotMount, match=r"^mounts\.KEPT: "):
            async with mounted(settings(tmp_path), Inbox("HILUM")):
                pass


def changed(old: Settings, **mounts: dict[str, object]) -> Settings:
    """With other values of some mounts."""
    return old.model_copy(
        update={
            "mounts": {
                name: each.model_copy(update=mounts.get(name, {}))
                for name, each in old.mounts.items()
            }
        }
    )


async def test_what_stays_the_same_stays_open(tmp_path: Path) -> None:
    old = settings(tmp_path)
    async with open_mounting(Inbox("HILUM")) as mounting:
        first = await mounting.prepared(old)
        first.commit()
        new = changed(old, KEPT={"delete": True}, PACS={"port": 2}, CLOUD={"wait": "job"})
        second = await mounting.prepared(new)
        before, after = ({each.name: each for each in made.made.mounts} for made in (first, second))
        assert after["KEPT"].finds is before["KEPT"].finds
        assert after["KEPT"].deletes is after["KEPT"].finds
        assert after["CLOUD"].echoes is before["CLOUD"].echoes
        assert after["CLOUD"].wait == "job"
        assert after["PACS"].echoes is not before["PACS"].echoes
        assert after["PACS"].retrieves is before["PACS"].retrieves  # with its cache and jobs
        second.commit()
        third = await mounting.prepared(old)
        await third.drop()
        again = await mounting.prepared(new)
        assert again.made.mounts["PACS"].echoes is after["PACS"].echoes


async def test_what_is_still_in_use_is_not_opened_a_second_time(tmp_path: Path) -> None:
    old = Settings(server=ServerSettings(data=tmp_path), mounts={"A": ArchiveMount()})
    folder = old.folder("A")
    new = Settings(server=old.server, mounts={"B": ArchiveMount(path=folder)})
    async with open_mounting(Inbox("HILUM")) as mounting:
        first = await mounting.prepared(old)
        first.commit()
        with pytest.raises(CannotMount, match=r"^mounts\.B: .* is in use with the former"):
            await mounting.prepared(new)
        (await mounting.prepared(old)).commit()
        archive = first.made.mounts["A"].echoes
        assert archive is not None
        await archive.echo()
