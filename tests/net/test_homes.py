from typing import Any

import pytest

from hilum.config.mounts import AnyMount, ArchiveMount, DicomwebMount, DimseMount
from hilum.config.schema import HttpSettings, Settings
from hilum.net.homes import Homes

pytestmark = pytest.mark.anyio
HERE = "10.0.0.9"


def pacs(number: int, **more: Any) -> DimseMount:
    values = {"backend": "dimse", "aet": f"FAR{number}", "host": f"10.0.0.{number}", "port": 104}
    return DimseMount(**{**values, **more})


def homes(workers: int = 4, base_path: str = "", **mounts: AnyMount) -> Homes:
    return Homes(Settings(http=HttpSettings(base_path=base_path), mounts=mounts), workers)


MANY: dict[str, AnyMount] = {
    "ARCHIVE": ArchiveMount(default=True),
    "ONE": pacs(1),
    "TWO": pacs(2, receivers=("TWO-IN",)),
    "SAME": pacs(3),
    "WEB": DicomwebMount(backend="dicomweb", url="https://far.example/dicom-web"),
}


def test_what_shares_a_receiver_lives_together_and_the_rest_is_spread() -> None:
    found = homes(**MANY)
    assert found.of("ONE") == found.of("SAME")
    assert len({found.of(each) for each in ("ARCHIVE", "ONE", "TWO", "WEB")}) == 4
    alone = homes(1, **MANY)
    assert {alone.of(each) for each in MANY} == {0}


def test_what_is_called_as_another_receives_lives_with_it() -> None:
    found = homes(
        A=pacs(1, receivers=("X",)), B=pacs(2, receivers=("Y",)), Y=pacs(3, receivers="Z")
    )
    assert found.of("B") == found.of("Y") != found.of("A")


def test_an_archive_is_served_by_all_and_the_others_at_home_only() -> None:
    found = homes(**MANY)
    assert all(found.serves("ARCHIVE", each) for each in range(4))
    assert [found.serves("WEB", each) for each in range(4)].count(True) == 1


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/aets/WEB/studies?limit=1", "WEB"),
        ("/aets/WEB", "WEB"),
        ("//aets//WEB/", "WEB"),
        ("http://host:80/aets/TWO/studies", "TWO"),
        ("/aets/%54WO/jobs/ab", "TWO"),
        ("/aets/ARCHIVE/studies/send-requests/1.2", "ARCHIVE"),
        ("/dicomweb/studies/1/series/send-requests/1.2", "ARCHIVE"),
        ("/dicomweb/studies", None),
        ("/aets/ARCHIVE/fhir/Patient", None),
        ("/aets/ARCHIVE/studies/1", None),
        ("/aets", None),
        ("/aets/NONE/studies", None),
        ("/health", None),
        ("*", None),
    ],
)
def test_a_path_has_the_home_of_its_mount(path: str, mount: str | None) -> None:
    found = homes(**MANY)
    assert found.of_path(path) == (None if mount is None else found.of(mount))


def test_a_job_of_an_archive_is_where_it_was_made() -> None:
    found = homes(**MANY)
    assert found.of_path("/dicomweb/jobs/0123abc-2") == 2
    assert found.of_path("/aets/ARCHIVE/jobs/0123abc-7") == 3  # there were more workers then
    assert found.of_path("/aets/ARCHIVE/jobs/0123abc") is None


def test_paths_begin_behind_the_base_path() -> None:
    found = homes(base_path="/pacs", **MANY)
    assert found.of_path("/pacs/aets/WEB/studies") == found.of("WEB")
    assert found.of_path("/aets/WEB/studies") is None


def test_the_default_mount_is_meant_by_its_own_path() -> None:
    found = homes(ONE=pacs(1, default=True), ARCHIVE=ArchiveMount())
    assert found.of_path("/dicomweb/studies") == found.of("ONE")
    assert found.of_path("/fhir/Patient") == found.of("ONE")


@pytest.mark.parametrize(
    ("called", "calling", "address", "mount"),
    [
        ("WEB", "X", HERE, "WEB"),
        ("TWO", "X", HERE, "TWO"),
        ("TWO-IN", "X", HERE, "TWO"),  # nobody else takes what comes there
        ("HILUM", "FAR1", HERE, "ONE"),
        ("HILUM", "X", "10.0.0.3", "SAME"),
        ("HILUM", "X", "::ffff:10.0.0.3", "SAME"),
        ("HILUM", "X", HERE, None),  # for the archive
        ("ARCHIVE", "FAR1", "10.0.0.1", None),
        ("NOBODY", "X", HERE, None),
    ],
)
async def test_an_association_goes_to_who_may_wait_for_it(
    called: str, calling: str, address: str, mount: str | None
) -> None:
    found = homes(**MANY)
    home = await found.of_caller(called, calling, address, lambda _: False)
    assert home == (None if mount is None else found.of(mount))


async def test_while_a_move_waits_strangers_may_bring_what_it_waits_for() -> None:
    found = homes(**MANY)
    assert await found.of_caller("HILUM", "X", HERE, lambda _: True) == found.of("ONE")
    assert await found.of_caller("ARCHIVE", "X", HERE, lambda _: True) is None


def test_a_mount_stays_at_home_when_others_come_and_go() -> None:
    before = homes(**MANY)
    here = {name: mount for name, mount in MANY.items() if name not in {"ONE", "SAME"}}
    after = before.after(Settings(mounts={"NEW": pacs(7, receivers=("IN",)), **here}))
    assert {name: after.of(name) for name in here} == {name: before.of(name) for name in here}
    assert after.of("NEW") == before.of("ONE")  # where there is room now
    assert before.moved(after) == []
    again = Homes(Settings(mounts={**here, "NEW": pacs(7)}), 4, after.all)
    assert again.all == after.all
    before.become(after)
    assert before.of("NEW") == after.of("NEW")


def test_mounts_that_come_to_share_a_receiver_would_have_to_move() -> None:
    before = homes(**MANY)
    after = before.after(Settings(mounts={**MANY, "TWO": pacs(2)}))
    assert before.moved(after) != []
