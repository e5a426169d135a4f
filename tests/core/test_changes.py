import asyncio
from collections.abc import Sequence

import pytest

from hilum.core.changes import Change, follow
from hilum.model.errors import BackendFault


class Feed:
    def __init__(self) -> None:
        self.changes = {Change(str(each), each) for each in range(3)}
        self.empty = asyncio.Event()

    async def at_rest(self, _since: float, most: int, /) -> Sequence[Change]:
        return sorted(self.changes)[:most]

    async def settle(self, changes: Sequence[Change], /) -> None:
        self.changes -= {*changes}
        if not self.changes:
            self.empty.set()


class Taker:
    def __init__(self, failures: int = 0) -> None:
        self.taken: list[Change] = []
        self.failures = failures

    async def take(self, mount: str, changes: Sequence[Change], /) -> None:
        assert mount == "ONE"
        if self.failures:
            self.failures -= 1
            raise BackendFault("is full")
        self.taken += changes


@pytest.mark.anyio
async def test_every_taker_gets_every_change_before_it_is_settled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hilum.core.changes._AGAIN", 0.01)
    feed, first, second = Feed(), Taker(), Taker(failures=2)
    wanted = sorted(feed.changes)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        following = group.create_task(follow("ONE", feed, [first, second], 0.01))
        await feed.empty.wait()
        following.cancel()
    assert second.taken == wanted
    assert first.taken == wanted * 3  # it got them again, as the other could not keep them
