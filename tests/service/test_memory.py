import asyncio
import platform
from unittest.mock import Mock

import pytest

from hilum.core.budget import IN_HAND, Share
from hilum.service import memory


def test_the_allocator_is_tuned_where_it_is_glibc() -> None:
    assert memory.tune() == (platform.libc_ver()[0] == "glibc")


@pytest.mark.anyio
async def test_memory_is_given_back_once_when_much_was_in_hand_and_is_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trim = Mock()
    monkeypatch.setattr(memory, "_trim", lambda: trim)
    IN_HAND.looked()
    share = Share()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(memory.give_back(lull=0.01))
        share.take(memory.WORTH)
        await asyncio.sleep(0.1)
        assert not trim.called
        share.close()
        while not trim.called:  # noqa: ASYNC110 - there is nothing to wait for
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert trim.call_count == 1
        task.cancel()
