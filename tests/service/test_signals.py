import asyncio
import os
import signal

import pytest

from hilum.service.signals import stops

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_asks_and_the_second_insists(number: signal.Signals) -> None:
    stop, enough = asyncio.Event(), asyncio.Event()
    with stops(stop, enough.set):
        os.kill(os.getpid(), number)
        await asyncio.wait_for(stop.wait(), 20)
        assert not enough.is_set()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(enough.wait(), 20)


async def test_afterwards_signals_mean_what_they_meant_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stops(asyncio.Event(), lambda: None):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
