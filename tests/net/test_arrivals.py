import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hilum.model.errors import BackendTimeout, BackendUnavailable, HilumError, OutOfResources
from hilum.model.instance import Instance
from hilum.net import arrivals as module
from hilum.net.arrivals import Arrivals

pytestmark = pytest.mark.anyio


def instance(uid: str, *pieces: bytes, then: HilumError | None = None, pace: float = 0) -> Instance:
    async def chunks() -> AsyncIterator[bytes]:
        for each in pieces:
            await asyncio.sleep(pace)
            yield each
        if then is not None:
            raise then

    return Instance(uid, "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", chunks())


async def read(box: Arrivals) -> dict[str, bytes]:
    return {
        each.sop_instance_uid: b"".join([piece async for piece in each.chunks])
        async for each in box
    }


async def test_what_was_stored_is_given_in_any_order_and_once() -> None:
    box = Arrivals()
    assert (await box.store(instance("1.1", b"ab", b"c"))).failure is None
    assert (await box.store(instance("1.2", b"d"))).failure is None
    assert (await box.store(instance("1.1", b"other"))).failure is None  # as it was answered then
    box.end()
    assert await read(box) == {"1.1": b"abc", "1.2": b"d"}
    assert box.whole == {"1.1", "1.2"}
    assert box.share.held == 0
    await box.aclose()


async def test_one_that_is_whole_goes_before_one_that_is_still_on_its_way() -> None:
    box = Arrivals()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(box.store(instance("1.1", b"a", b"b", pace=0.05)))
        await asyncio.sleep(0)
        await box.store(instance("1.2", b"c"))
        first = await anext(box)
        assert (first.sop_instance_uid, first.size) == ("1.2", 1)
        second = await anext(box)
        assert (second.sop_instance_uid, second.size) == ("1.1", None)
        assert b"".join([piece async for piece in second.chunks]) == b"ab"


async def test_its_reader_has_the_beginning_before_the_end_is_here() -> None:
    box = Arrivals()
    async with asyncio.TaskGroup() as tasks:
        storing = tasks.create_task(box.store(instance("1.1", b"a", b"b", pace=0.05)))
        assert await anext((await anext(box)).chunks) == b"a"
        assert not storing.done()


async def test_what_breaks_off_is_told_to_who_reads_it_and_comes_again_for_who_does_not() -> None:
    box = Arrivals()
    gone = BackendUnavailable("gone")
    with pytest.raises(BackendUnavailable):
        await box.store(instance("1.1", b"a", then=gone))
    assert "1.1" not in box
    assert (await box.store(instance("1.1", b"ab"))).failure is None

    async def broken() -> None:
        with pytest.raises(BackendUnavailable):
            await box.store(instance("1.2", b"a", then=gone, pace=0.05))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(broken())
        assert (await anext(box)).sop_instance_uid == "1.1"
        cut = await anext(box)
        with pytest.raises(BackendUnavailable):
            async for _ in cut.chunks:
                pass
    assert box.cut == {"1.2"}
    with pytest.raises(OutOfResources):  # what was read cannot be taken back
        await box.store(instance("1.2", b"ab"))


async def test_a_sender_that_is_cut_off_breaks_its_instance_off() -> None:
    box = Arrivals()
    async with asyncio.TaskGroup() as tasks:
        storing = tasks.create_task(box.store(instance("1.1", b"a", b"b", b"c", pace=0.05)))
        chunks = (await anext(box)).chunks
        assert await anext(chunks) == b"a"
        storing.cancel()
        with pytest.raises(BackendUnavailable):
            await anext(chunks)


async def test_more_than_fits_into_memory_waits_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HIGH", 10_000)
    box = Arrivals(tmp_path)
    data = {f"1.{at}": bytes([at]) * 300_000 for at in range(1, 9)}
    async with asyncio.TaskGroup() as tasks:
        for uid, each in data.items():
            pieces = [each[at : at + 1000] for at in range(0, len(each), 1000)]
            tasks.create_task(box.store(instance(uid, *pieces)))
    assert box.share.held <= 10_000
    box.end()
    assert await read(box) == data
    assert box.share.held == 0
    await box.aclose()


async def test_a_reader_beside_its_sender_gets_every_byte_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HIGH", 5_000)
    monkeypatch.setattr(module, "CHUNK", 4_000)
    box = Arrivals(tmp_path)
    data = b"".join(at.to_bytes(4, "big") for at in range(100_000))
    pieces = [data[at : at + 700] for at in range(0, len(data), 700)]
    got = bytearray()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(box.store(instance("1.1", *pieces)))
        async for piece in (await anext(box)).chunks:
            assert len(piece) <= 4_000
            got += piece
            if len(got) % 3 == 0:
                await asyncio.sleep(0.001)
    assert bytes(got) == data
    assert box.share.held == 0
    await box.aclose()


async def test_a_full_disk_fails_the_instance_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HIGH", 100)
    (tmp_path / "file").touch()
    box = Arrivals(tmp_path / "file")
    with pytest.raises(OutOfResources):
        await box.store(instance("1.1", b"a" * 200))
    assert box.share.held == 0
    await box.store(instance("1.2", b"a" * 50))
    box.end()
    assert await read(box) == {"1.2": b"a" * 50}


async def test_one_that_its_reader_leaves_makes_room_and_is_taken_to_its_end() -> None:
    box = Arrivals()
    await box.store(instance("1.1", b"a" * 1000))
    await box.store(instance("1.2", b"b"))
    await anext(box)
    assert (await anext(box)).sop_instance_uid == "1.2"
    assert box.share.held == 1

    async with asyncio.TaskGroup() as tasks:
        left = tasks.create_task(box.store(instance("1.3", b"a", b"b", b"c", pace=0.02)))
        assert (await anext(box)).sop_instance_uid == "1.3"
        await box.store(instance("1.4", b"d"))
        assert (await anext(box)).sop_instance_uid == "1.4"
        assert (await left).failure is None  # the peer did its part
        box.end()
        with pytest.raises(StopAsyncIteration):
            await anext(box)
    assert box.share.held == 0
    assert not box.cut


async def test_one_that_comes_when_nobody_reads_any_more_is_refused() -> None:
    box = Arrivals()
    async with asyncio.TaskGroup() as tasks:

        async def refused() -> None:
            with pytest.raises(OutOfResources):
                await box.store(instance("1.1", b"a", b"b", b"c", pace=0.02))

        tasks.create_task(refused())
        assert (await anext(box)).sop_instance_uid == "1.1"
        await box.aclose()
    assert box.share.held == 0


async def test_the_end_is_told_behind_what_is_here() -> None:
    box = Arrivals()
    await box.store(instance("1.1", b"a"))
    box.end(BackendTimeout("late"))
    assert (await anext(box)).sop_instance_uid == "1.1"
    with pytest.raises(BackendTimeout):
        await anext(box)
    with pytest.raises(OutOfResources):
        await box.store(instance("1.2", b"a"))


async def test_every_arrival_is_told_and_is_a_sign_of_life() -> None:
    box = Arrivals()
    came: list[str] = []
    signs: list[None] = []
    box.came = came.append
    box.heard = lambda: signs.append(None)
    for _ in range(2):
        await box.store(instance("1.1", b"a", b"b"))
    assert came == ["1.1", "1.1"]
    assert len(signs) >= 4
    assert not box.arriving
    assert box.last > 0
