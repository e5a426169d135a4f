import asyncio
import errno
import os
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from tests.backends.archive import opened
from tests.backends.archive.opened import find, keep, retrieved, store
from tests.contract import made
from tests.contract.made import Made, uid

from hilum.backends.archive import files
from hilum.core.budget import IN_HAND, LEAST
from hilum.model.errors import BackendUnavailable, OutOfResources
from hilum.model.identity import Level, Ref
from hilum.model.instance import CHUNK, Instance

pytestmark = pytest.mark.anyio


async def test_warnings_say_what_was_wrong_but_no_values(tmp_path: Path) -> None:
    dataset = made.dataset()
    data = made.encoded(dataset).replace(b"IS\x02\x001 ", b"IS\x02\x00xy")
    async with opened.archive(tmp_path) as archive:
        (stored,) = await store(archive, Made(data, made.CT, uid(1, 1, 1)))
        assert stored.failure is None
        assert any("0020" in each for each in stored.warnings)
        assert "xy" not in "".join(stored.warnings)
        assert await retrieved(archive, Ref(study=uid(1))) == [data]


async def test_nothing_that_was_sent_names_a_file(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made(), made.made(2, PatientID="../../x"))
    for path in opened.files(tmp_path):
        day, name = path.relative_to(tmp_path / "files").parent, path.name
        assert len(day.parts) == 3
        assert len(name) == len("18ea0b9c94cc0e8d.dcm")
        assert uid(1, 1, 1) not in name


async def crumbs(data: bytes, cut: int | None = None) -> AsyncIterator[bytes]:
    """The same, 64 KiB at a time, and the other senders in between; broken off at `cut`."""
    for at in range(0, len(data), LEAST):
        await asyncio.sleep(0)
        if cut is not None and at >= cut:
            raise BackendUnavailable("the sender is gone")
        yield data[at : at + LEAST]


async def test_many_senders_hold_their_shares_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(IN_HAND, "size", CHUNK)
    before = IN_HAND.held
    senders = 8
    all_of_it = [made.made(1, 1, n, PixelData=bytes(700_000)) for n in range(1, senders + 1)]
    async with opened.archive(tmp_path) as archive, archive.open() as session:
        IN_HAND.looked()
        sent = [replace(each.instance(), chunks=crumbs(each.data)) for each in all_of_it]
        stored = await asyncio.gather(*map(session.store, sent))
        assert [each.failure for each in stored] == [None] * senders
        assert IN_HAND.looked() - before <= CHUNK + senders * 2 * LEAST
        assert IN_HAND.held == before
        assert await retrieved(archive, Ref(study=uid(1))) == [each.data for each in all_of_it]


@pytest.mark.parametrize("cut", [0, 500_000, 3_000_000])
async def test_a_sender_that_breaks_off_gives_its_share_back_at_once(
    tmp_path: Path, cut: int
) -> None:
    before = IN_HAND.held
    one = made.made(PixelData=bytes(4_000_000))
    async with opened.archive(tmp_path) as archive, archive.open() as session:
        with pytest.raises(BackendUnavailable):
            await session.store(replace(one.instance(), chunks=crumbs(one.data, cut)))
        assert IN_HAND.held == before
        assert opened.files(tmp_path) == []


@pytest.mark.parametrize("size", [8, 3 * CHUNK])
@pytest.mark.parametrize("call", ["writev", "fdatasync", "open"])
async def test_a_full_disk_is_a_failure_that_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, call: str
) -> None:
    real = getattr(os, call)
    broken = False

    def full(*args: Any, **named: Any) -> Any:
        if broken and (call != "open" or str(args[0]).endswith(".dcm")):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args, **named)

    monkeypatch.setattr(os, call, full)
    monkeypatch.setattr(files, "_SYNC_DATA", full if call == "fdatasync" else os.fdatasync)
    async with opened.archive(tmp_path) as archive:
        broken = True
        (stored,) = await store(archive, made.made(PixelData=bytes(size)))
        assert isinstance(stored.failure, OutOfResources)
        assert opened.files(tmp_path) == []
        broken = False
        assert await find(archive, Level.IMAGE) == []
        await keep(archive, made.made(PixelData=bytes(size)))
    assert len(opened.files(tmp_path)) == 1


async def test_a_full_disk_under_the_index_is_a_failure_that_leaves_nothing(
    tmp_path: Path,
) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made())
        archive._writer.flush()
        index = archive._writer._index
        index._cursor.execute("PRAGMA max_page_count=1")  # SQLite's own way to be full
        (stored,) = await store(archive, made.made(2, PatientComments="x" * 10_000))
        assert isinstance(stored.failure, OutOfResources)
        assert len(opened.files(tmp_path)) == 1
        assert len(await find(archive, Level.STUDY)) == 1
        index._cursor.execute("PRAGMA max_page_count=1000000")
        await keep(archive, made.made(2, PatientComments="x" * 10_000))


@pytest.mark.parametrize("way", ["asyncio", "anyio"])
@pytest.mark.parametrize("size", [8, 3 * CHUNK])
async def test_who_leaves_after_the_last_byte_leaves_a_whole_instance_or_none(
    tmp_path: Path, way: str, size: int
) -> None:
    one = made.made(PixelData=bytes(size))
    sent = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(one.data), CHUNK):
            yield one.data[start : start + CHUNK]
        sent.set()

    async with opened.archive(tmp_path) as archive:

        async def send() -> None:
            async with archive.open() as session:
                await session.store(
                    Instance(uid(1, 1, 1), made.CT, one.transfer_syntax_uid, chunks())
                )

        if way == "asyncio":
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(send())
                await sent.wait()
                await asyncio.sleep(0)
                task.cancel()
                task.cancel()
            assert task.cancelled()
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(send)
                await sent.wait()
                await asyncio.sleep(0)
                group.cancel_scope.cancel()
        found = await find(archive, Level.IMAGE)
        assert len(opened.files(tmp_path)) == len(found)
        assert await retrieved(archive, Ref(study=uid(1))) == [one.data] * len(found)


async def test_instances_that_came_together_fail_each_by_itself(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made())
        stored = await asyncio.gather(
            *(store(archive, made.made(1, 1, n)) for n in range(2, 30)),
            store(archive, made.made(PatientName="another")),
            store(archive, made.made()),
        )
        failures = [each.failure for (each,) in stored]
        assert [index for index, each in enumerate(failures) if each] == [28]
        assert len(await find(archive, Level.IMAGE)) == 29
        assert len(opened.files(tmp_path)) == 29


async def test_a_clock_that_goes_back_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = files.time.time_ns
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made(1))
    monkeypatch.setattr(files.time, "time_ns", lambda: real() - 3 * 24 * 3600 * 10**9)
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made(2))
        assert [int(p.stem, 16) for p in opened.files(tmp_path)] == sorted(
            int(p.stem, 16) for p in opened.files(tmp_path)
        )
        assert len({p.parent for p in opened.files(tmp_path)}) == 1


async def test_a_value_that_is_none_of_its_kind_is_kept_with_a_warning(tmp_path: Path) -> None:
    odd = made.of(made.dataset())
    odd = replace(odd, data=odd.data.replace(b"19700101", b"in 1970 "))
    async with opened.archive(tmp_path) as archive:
        (stored,) = await store(archive, odd)
        assert stored.failure is None
        assert stored.warnings == ("(0010,0030) has a value that is no DA",)
        (found,) = await find(archive, Level.STUDY)
        assert found["00100030"]["Value"] == ["in 1970"]


@pytest.mark.parametrize("size", [100, 5 * CHUNK // 2])
async def test_what_came_under_the_wrong_syntax_is_kept_under_the_one_it_is_in(
    tmp_path: Path, size: int
) -> None:
    odd = made.of(made.dataset(PixelData=bytes(size)), ImplicitVRLittleEndian)
    async with opened.archive(tmp_path) as archive:
        (stored,) = await store(archive, replace(odd, transfer_syntax_uid=ExplicitVRLittleEndian))
        assert stored.failure is None
        assert stored.warnings == ("the Transfer Syntax is not that of the data set",)
        async with archive.retrieve([Ref(study=uid(1))]) as retrieval:
            got = [(each, await opened.joined(each.chunks)) async for each in retrieval.instances]
        assert [data for _, data in got] == [odd.data]
        assert [each.transfer_syntax_uid for each, _ in got] == [ImplicitVRLittleEndian]


async def test_what_was_answered_for_and_could_not_be_committed_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made())
        assert archive._writer.owes
        commit = archive._writer._index.commit

        def broken() -> None:
            raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr(archive._writer._index, "commit", broken)
        assert await find(archive, Level.STUDY) == []
        (stored,) = await store(archive, made.made(2))
        assert isinstance(stored.failure, OutOfResources)  # nothing more is promised
        monkeypatch.setattr(archive._writer._index, "commit", commit)
        await keep(archive, made.made(3))
        assert len(await find(archive, Level.STUDY)) == 2
    assert len(opened.files(tmp_path)) == 2


async def test_what_could_never_be_committed_is_there_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made())

        def broken() -> None:
            raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr(archive._writer._index, "commit", broken)
    async with opened.archive(tmp_path) as archive:
        assert len(await find(archive, Level.STUDY)) == 1


async def test_a_moment_later_everybody_sees_what_was_stored(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made())
        async with asyncio.timeout(20):
            while archive._writer.owes:  # noqa: ASYNC110 - a thread does it
                await asyncio.sleep(0.01)
        with sqlite3.connect(tmp_path / "index.db") as connection:
            assert connection.execute("SELECT count(*) FROM instance").fetchone() == (1,)
        connection.close()
