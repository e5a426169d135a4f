import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from hilum.core.lasting import All, Lasting, Open, StillOpen, Uses, open_lasting

pytestmark = pytest.mark.anyio


class Things:
    """What is opened and closed, in this order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    @asynccontextmanager
    async def opening(self, name: str) -> AsyncIterator[str]:
        if name == "bad":
            raise ValueError(name)
        self.said.append(f"open {name}")
        try:
            yield name
        finally:
            self.said.append(f"close {name}")


async def wanted(lasting: Lasting, things: Things, *names: str) -> list[Open[str]]:
    """A change to these."""
    change = lasting.change()
    found = [await had(change, things, name) for name in names]
    change.commit()
    return found


async def had(change: object, things: Things, name: str, alone: str | None = None) -> Open[str]:
    def opening() -> AbstractAsyncContextManager[str]:
        return things.opening(name)

    return await change.have(name, opening, alone)  # type: ignore[attr-defined]


async def until(things: Things, said: str) -> None:
    while said not in things.said:  # noqa: ASYNC110 - told by nobody
        await asyncio.sleep(0)


async def test_what_is_wanted_again_stays_and_what_is_not_ends() -> None:
    things = Things()
    async with open_lasting() as lasting:
        [one, _] = await wanted(lasting, things, "a", "b")
        [again, _] = await wanted(lasting, things, "a", "c")
        assert again is one
        await until(things, "close b")
    assert things.said == ["open a", "open b", "open c", "close b", "close c", "close a"]


async def test_what_is_in_use_ends_with_its_last_use() -> None:
    things = Things()
    async with open_lasting() as lasting:
        [one] = await wanted(lasting, things, "a")
        with one.uses:
            with one.uses:
                await wanted(lasting, things)
            await asyncio.sleep(0.01)
            assert "close a" not in things.said
        await until(things, "close a")


async def test_what_is_wanted_again_while_it_is_in_use_does_not_end() -> None:
    things = Things()
    async with open_lasting() as lasting:
        [one] = await wanted(lasting, things, "a")
        with one.uses:
            await wanted(lasting, things)
            assert await wanted(lasting, things, "a") == [one]
        await asyncio.sleep(0.01)
        assert "close a" not in things.said


async def test_a_change_that_is_dropped_leaves_all_as_it_was() -> None:
    things = Things()
    async with open_lasting() as lasting:
        await wanted(lasting, things, "a")
        change = lasting.change()
        await had(change, things, "a")
        await had(change, things, "b")
        with pytest.raises(ValueError, match="bad"):
            await had(change, things, "bad")
        await change.drop()
        assert things.said == ["open a", "open b", "close b"]
        assert [each.value for each in lasting.all] == ["a"]


@asynccontextmanager
async def worn_out() -> AsyncIterator[str]:
    yield "worn out"
    raise ValueError("it does not close")


async def test_what_does_not_end_well_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    things = Things()
    async with open_lasting() as lasting:
        change = lasting.change()
        await had(change, things, "a")
        await change.have("worn out", worn_out)
        change.commit()
        await wanted(lasting, things, "a")
        while len(lasting.all) > 1:  # noqa: ASYNC110 - told by nobody
            await asyncio.sleep(0)
    assert things.said == ["open a", "close a"]
    assert "did not end well" in caplog.text


async def test_what_does_not_end_well_at_the_end_is_told() -> None:
    with pytest.RaisesGroup(ValueError):
        async with open_lasting() as lasting:
            change = lasting.change()
            await change.have("worn out", worn_out)
            change.commit()


async def test_only_one_has_what_only_one_can_have() -> None:
    things = Things()
    async with open_lasting() as lasting:
        change = lasting.change()
        one = await had(change, things, "a", "folder")
        change.commit()
        with one.uses:
            change = lasting.change()
            with pytest.raises(StillOpen):
                await had(change, things, "b", "folder")
            await change.drop()
            assert await had(lasting.change(), things, "a", "folder") is one


async def test_what_only_one_can_have_is_waited_for_where_it_ends_already() -> None:
    things, slow = Things(), asyncio.Event()

    @asynccontextmanager
    async def ends_slowly() -> AsyncIterator[str]:
        async with things.opening("slow") as name:
            yield name
            await slow.wait()

    async with open_lasting() as lasting:
        change = lasting.change()
        await change.have("slow", ends_slowly, "folder")
        change.commit()
        await wanted(lasting, things)
        async with asyncio.TaskGroup() as group:
            again = group.create_task(had(lasting.change(), things, "b", "folder"))
            await asyncio.sleep(0.01)
            assert not again.done()
            slow.set()
    assert things.said == ["open slow", "close slow", "open b", "close b"]


async def test_several_are_used_together() -> None:
    first, second = Uses(), Uses()
    with All([first, second]):
        first.want(wanted=False)
        assert not first.over.is_set()
    assert first.over.is_set()
    assert not second.over.is_set()


async def test_what_the_block_raises_comes_through_and_all_ends() -> None:
    things = Things()

    async def fails() -> None:
        async with open_lasting() as lasting:
            await wanted(lasting, things, "a")
            raise KeyError

    with pytest.raises(KeyError):
        await fails()
    assert things.said == ["open a", "close a"]
