import asyncio
import hashlib
import os
import resource
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import peers
from tests.backends.dimse.retrieving import US, Here, clean, fetched, here, open_files, settled
from tests.contract.made import dataset as a_dataset
from tests.contract.made import made, of, uid
from tests.quirky import Pacs, Quirks, quirky

from hilum.codec.part10 import encode_meta
from hilum.codec.sop_class import EXPLICIT_LE, PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from hilum.model.errors import BackendTimeout, HilumError, Incomplete
from hilum.model.identity import Ref
from hilum.net.arrivals import HIGH, Arrivals

pytestmark = pytest.mark.anyio
STUDIES = 8
INSTANCES = [made(one, 1, two) for one in range(1, STUDIES + 1) for two in (1, 2, 3, 4)]
NO_FIND = frozenset((STUDY_ROOT_FIND, PATIENT_ROOT_FIND))


@pytest.fixture
def pacs() -> Iterator[tuple[Pacs, int]]:
    port = peers.free_port()
    with quirky(INSTANCES, destinations=dict.fromkeys((US, "R1", "R2", "R3"), port)) as running:
        yield running, port


async def most(us: Here, done: asyncio.Event) -> int:
    """The most C-MOVEs that waited at the same time."""
    found = 0
    while not done.is_set():
        found = max(found, us.inbox.waiters)
        await asyncio.sleep(0.001)
    return found


async def all_at_once(us: Here) -> int:
    """Each study comes, and nothing crosses over; the most C-MOVEs at the same time."""
    done = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        counting = tasks.create_task(most(us, done))
        async with asyncio.TaskGroup() as fetching:
            tried = [
                fetching.create_task(fetched(us.fetcher, Ref(study=uid(one))))
                for one in range(1, STUDIES + 1)
            ]
        done.set()
    for one, task in enumerate(tried, 1):
        found = task.result()
        assert found.error is None
        assert found.got == {
            each.sop_instance_uid: each.data
            for each in INSTANCES
            if each.sop_instance_uid.startswith(uid(one) + ".")
        }
    clean(us)
    return counting.result()


@pytest.mark.parametrize(
    ("quirks", "mode", "receivers", "fewest", "largest"),
    [
        (Quirks(slow=0.01), "auto", (), 4, 8),
        (Quirks(slow=0.01), "concurrent", (), 4, 8),
        (Quirks(slow=0.01), "sequential", (), 1, 1),
        (Quirks(slow=0.01), "sequential", ("R1", "R2", "R3"), 2, 3),
        (Quirks(slow=0.01, no_originator=True), "auto", (), 1, 8),
        (Quirks(slow=0.01, no_originator=True), "concurrent", (), 4, 8),
        (Quirks(slow=0.01, wrong_message_id=True), "concurrent", (), 4, 8),
        (Quirks(slow=0.01, no_originator=True, refuses=NO_FIND), "auto", (), 1, 8),
        (Quirks(slow=0.01, no_originator=True, refuses=NO_FIND), "concurrent", (), 4, 8),
        (Quirks(slow=0.01, refuses=NO_FIND), "concurrent", (), 4, 8),
        (Quirks(slow=0.01, store_title="X", no_originator=True), "auto", ("R1", "R2"), 1, 8),
    ],
)
async def test_of_eight_c_moves_at_once_nothing_crosses_over(  # noqa: PLR0913 - of a table
    pacs: tuple[Pacs, int],
    tmp_path: Path,
    *,
    quirks: Quirks,
    mode: str,
    receivers: tuple[str, ...],
    fewest: int,
    largest: int,
) -> None:
    running, port = pacs
    running.quirks = quirks
    settings = {"retrieve": "move", "mode": mode, "receivers": receivers, "arrival_timeout": 1.0}
    async with here(running.port, tmp_path, port=port, **settings) as us:
        assert fewest <= await all_at_once(us) <= largest


async def test_a_peer_that_leaves_out_the_originator_gets_one_c_move_at_a_time(
    pacs: tuple[Pacs, int], tmp_path: Path
) -> None:
    running, port = pacs
    running.quirks = Quirks(slow=0.01, no_originator=True)
    async with here(running.port, tmp_path, port=port, retrieve="move") as us:
        await fetched(us.fetcher, Ref(study=uid(1)))
        assert await all_at_once(us) == 1


async def test_the_same_study_asked_for_twice_comes_twice(
    pacs: tuple[Pacs, int], tmp_path: Path
) -> None:
    running, port = pacs
    for quirks in (Quirks(slow=0.01), Quirks(slow=0.01, no_originator=True)):
        running.quirks = quirks
        settings = {"retrieve": "move", "mode": "concurrent", "arrival_timeout": 1.0}
        async with here(running.port, tmp_path, port=port, **settings) as us:
            both = await asyncio.gather(*(fetched(us.fetcher, Ref(study=uid(1))) for _ in "12"))
            assert [len(each.got) for each in both] == [4, 4]
            assert [each.error for each in both] == [None, None]


async def test_c_moves_are_spread_over_the_receivers(
    pacs: tuple[Pacs, int], tmp_path: Path
) -> None:
    running, port = pacs
    running.quirks = Quirks(slow=0.02)
    receivers = ("R1", "R2", "R3")
    async with here(running.port, tmp_path, port=port, retrieve="move", receivers=receivers) as us:
        await all_at_once(us)
    used = [each.destination for each in running.of("C-MOVE")]
    assert {used.count(each) for each in receivers} <= {2, 3}


async def test_who_waits_for_a_turn_and_leaves_takes_none(
    pacs: tuple[Pacs, int], tmp_path: Path
) -> None:
    running, port = pacs
    running.quirks = Quirks(slow=0.1)
    async with here(running.port, tmp_path, port=port, retrieve="move", mode="sequential") as us:
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(fetched(us.fetcher, Ref(study=uid(1))))
            await asyncio.sleep(0.1)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(fetched(us.fetcher, Ref(study=uid(2))), 0.2)
        assert len(first.result().got) == 4
        assert len((await fetched(us.fetcher, Ref(study=uid(3)))).got) == 4
        clean(us)


def large(folder: Path, size: int) -> tuple[Path, str, str]:
    """A Part 10 file with so many bytes of pixels; its UID, and the digest of its data set."""
    small = of(a_dataset(1, 1, 1))
    head = encode_meta(small.sop_class_uid, small.sop_instance_uid, EXPLICIT_LE)
    data = small.data[: small.data.index(b"\xe0\x7f\x10\x00")]
    data += struct.pack("<HH2sxxI", 0x7FE0, 0x0010, b"OW", size)
    digest, block = hashlib.sha256(data), os.urandom(1024 * 1024)
    path = folder / "large.dcm"
    with path.open("wb") as file:
        file.write(head + data)
        for _ in range(size // len(block)):
            file.write(block)
            digest.update(block)
    return path, small.sop_instance_uid, digest.hexdigest()


async def test_300_megabytes_before_a_stalled_reader_stay_on_disk_and_the_pacs_is_answered(
    tmp_path: Path,
) -> None:
    program = peers.dcmtk("storescu")
    path, instance_uid, digest = large(tmp_path, 300 * 1024 * 1024)
    async with here(1, tmp_path, aet="STORESCU", retrieve="move") as us:
        receiving = us.fetcher._receiving
        arrivals = receiving.opened()
        files = open_files()
        keys = {(0x0020000D,): uid(1)}
        async with receiving.expecting(arrivals, keys, frozenset((instance_uid,))) as waiter:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            sending = await asyncio.create_subprocess_exec(
                program, "-aet", "STORESCU", "-aec", waiter.receiver, "-td", "20",
                peers.HOST, str(us.port), path,
            )  # fmt: skip
            instance = await anext(arrivals)
            seen = hashlib.sha256(await anext(instance.chunks))
            assert await asyncio.wait_for(sending.wait(), 120) == 0  # nothing else was read
            assert arrivals.share.held <= HIGH + 2 * 1024 * 1024
            async for piece in instance.chunks:
                assert len(piece) <= 1024 * 1024
                seen.update(piece)
            after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert seen.hexdigest() == digest
        assert (after - before) < 64 * 1024  # KiB
        assert arrivals.share.held == 0
        await arrivals.aclose()
        clean(us)
        assert len(open_files()) <= len(files)


async def test_a_full_disk_is_told_to_the_pacs_and_what_fits_comes(
    pacs: tuple[Pacs, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, port = pacs
    monkeypatch.setattr("hilum.net.arrivals.HIGH", 1000)
    async with here(running.port, tmp_path, port=port, retrieve="move", arrival_timeout=0.3) as us:
        us.spilled.write_text("no folder")
        found = await fetched(us.fetcher, Ref(study=uid(1)), pace=0.2)
        us.spilled.unlink()
        clean(us)
    assert isinstance(found.error, (Incomplete, HilumError))
    assert len(found.got) + len(found.cut) < 4 or found.error is None


async def test_a_slow_reader_gets_everything(
    pacs: tuple[Pacs, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, port = pacs
    monkeypatch.setattr("hilum.net.arrivals.HIGH", 100)
    async with here(running.port, tmp_path, port=port, retrieve="move") as us:
        found = await fetched(us.fetcher, Ref(study=uid(1)), pace=0.1)
        assert found.error is None
        assert len(found.got) == 4
        clean(us)


async def test_two_hundred_c_moves_that_are_left_leave_nothing(
    pacs: tuple[Pacs, int], tmp_path: Path
) -> None:
    running, port = pacs
    async with here(running.port, tmp_path, port=port, retrieve="move") as us:
        await fetched(us.fetcher, Ref(study=uid(1)))
        await asyncio.sleep(0.1)
        tasks, files = asyncio.all_tasks(), open_files()
        for at in range(200):
            async with us.fetcher.retrieve([Ref(study=uid(at % STUDIES + 1))]) as retrieval:
                instance = await anext(retrieval.instances)
                await anext(instance.chunks)
            clean(us)
        await settled(tasks)
        assert asyncio.all_tasks() - tasks == set()
        assert len(open_files()) <= len(files) + 1


async def test_what_arrives_while_nothing_is_said_counts_as_life(
    pacs: tuple[Pacs, int], tmp_path: Path
) -> None:
    running, port = pacs
    running.quirks = Quirks(slow=0.2, silent=True)
    settings = {"retrieve": "move", "retrieve_timeout": 0.5, "query_timeout": 5.0}
    async with here(running.port, tmp_path, port=port, **settings) as us:
        found = await fetched(us.fetcher, Ref(study=uid(1)))
        assert len(found.got) == 4
        assert not isinstance(found.error, BackendTimeout)
        assert found.error is None


async def test_arrivals_have_a_folder_of_the_inbox(tmp_path: Path) -> None:
    async with here(1, tmp_path) as us:
        assert isinstance(us.fetcher._receiving.opened(), Arrivals)
