import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from anyio import CapacityLimiter

from hilum.cli.intake.ahead import Ahead
from hilum.cli.intake.files import Filed, Unreadable
from hilum.cli.walk.study import study

pytestmark = pytest.mark.anyio
MADE = study("AHEAD")


class Paths:
    """Gives paths, and remembers how many it gave."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = [*paths]
        self.given = 0
        self.two = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[Path]:
        return self

    async def __anext__(self) -> Path:
        if self.given == len(self._paths):
            raise StopAsyncIteration
        self.given += 1
        if self.given == 2:
            self.two.set()
        return self._paths[self.given - 1]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    found = []
    for number, each in enumerate(MADE.slices):
        found.append(tmp_path / str(number))
        found[-1].write_bytes(each.part10)
    return found


async def test_every_file_comes_in_order_and_says_what_is_wrong(
    paths: list[Path], tmp_path: Path
) -> None:
    paths.insert(1, tmp_path / "not there")
    async with Ahead(Paths(paths), CapacityLimiter(1)) as ahead:
        found = [each async for each in ahead]
    assert [path for path, _ in found] == paths
    wrong = [path for path, what in found if isinstance(what, Unreadable)]
    assert wrong == [tmp_path / "not there"]


async def test_one_more_is_taken_while_the_first_is_used(paths: list[Path]) -> None:
    source = Paths(paths)
    async with Ahead(source, CapacityLimiter(1)) as ahead:
        _, first = await anext(ahead)
        assert isinstance(first, Filed)
        await source.two.wait()
        assert b"".join([chunk async for chunk in first.chunks])
    assert source.given == 2


async def test_who_leaves_leaves_no_file_open(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(MADE.slices[0].part10 + bytes(2 * 1024 * 1024))
    async with Ahead(Paths([big, big, big]), CapacityLimiter(1)) as ahead:
        await anext(ahead)
        await anext(ahead)  # warnings are errors: a file that is not closed fails this


async def test_what_fails_while_a_file_is_used_comes_out_as_it_is(paths: list[Path]) -> None:
    async def fail() -> None:
        async with Ahead(Paths(paths), CapacityLimiter(1)) as ahead:
            await anext(ahead)
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
