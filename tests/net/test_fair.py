import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from tests.net.test_http import serving, text

from hilum.net import fair
from hilum.net.fair import CALM, KEPT, LONGEST, SHARE, Account, Fair, Meter
from hilum.net.guard import Message, Receive, Send

pytestmark = pytest.mark.anyio
BUSY, QUIET = "192.0.2.1", "192.0.2.2"


class Clock:
    """One that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(fair, "perf_counter", made)
    monkeypatch.setattr(fair, "TICK", 3600.0)  # tests forget when they want to
    return made


async def turned(times: int = 10) -> None:
    """Let the event loop turn, as long as everybody needs to look twice."""
    for _ in range(times):
        await asyncio.sleep(0.001)


@asynccontextmanager
async def running(*works: Coroutine[Any, Any, object]) -> AsyncIterator[list[asyncio.Task[object]]]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in works]
        try:
            await turned()
            yield tasks
        finally:
            for each in tasks:
                each.cancel()


def two(busy: float = 0.8, quiet: float = 0.05) -> tuple[Fair, Account, Account]:
    """Two addresses that were busy for so long."""
    made = Fair()
    accounts = made.account(BUSY), made.account(QUIET)
    for account, seconds in zip(accounts, (busy, quiet), strict=True):
        account.spent(seconds)
    made.forget()
    return made, *accounts


async def test_who_is_alone_never_waits(clock: Clock) -> None:
    made = Fair()
    account = made.account(BUSY)
    for _ in range(100):
        account.spent(1.0)
        made.forget()
        assert not account.is_ahead
    async with asyncio.timeout(10):
        await account.turn()
    assert clock.now == 1000


@pytest.mark.usefixtures("clock")
async def test_who_has_used_far_more_than_others_is_ahead_until_that_is_forgotten() -> None:
    made, busy, quiet = two()
    assert busy.is_ahead
    assert not quiet.is_ahead
    assert busy.used == pytest.approx(0.8 * KEPT)
    times = 0
    while busy.is_ahead:
        made.forget()
        times += 1
    assert 10 < times < 30


@pytest.mark.usefixtures("clock")
async def test_those_who_use_the_same_or_little_wait_for_nobody() -> None:
    _, one, other = two(0.5, 0.45)
    assert not one.is_ahead
    assert not other.is_ahead
    _, one, other = two(0.05, 0.001)
    assert not one.is_ahead


async def test_who_is_ahead_waits_until_the_others_are_calm(clock: Clock) -> None:
    made, busy, quiet = two()
    made.saved = -0.1
    quiet.spent(0.001)
    async with running(busy.turn()) as tasks:
        assert not tasks[0].done()
        clock.now += CALM / 2
        quiet.spent(0.001)
        clock.now += CALM / 2
        await turned()
        assert not tasks[0].done()
        clock.now += CALM
        await asyncio.wait(tasks, timeout=10)
        assert tasks[0].done()
        await quiet.turn()


async def test_those_who_are_ahead_have_their_share_all_the_same(clock: Clock) -> None:
    _, busy, quiet = two()
    went = 0

    async def goes_on() -> None:
        nonlocal went
        while True:
            await busy.turn()
            went += 1
            busy.spent(0.002)

    began = clock.now
    async with running(goes_on()):
        for _ in range(300):
            clock.now += 0.004
            quiet.spent(0.002)
            await asyncio.sleep(0.001)
        assert busy.is_ahead
        share = went * 0.002 / (clock.now - began)
    assert 0 < share < SHARE * 1.5


async def test_nobody_waits_for_long(clock: Clock) -> None:
    made, busy, quiet = two()
    busy.spent(10.0)
    async with running(busy.turn()) as tasks:
        end = clock.now + LONGEST
        while clock.now < end:
            assert not tasks[0].done()
            clock.now += CALM / 2
            made.saved = -100.0  # nothing earned
            quiet.spent(0.001)
            await asyncio.sleep(0)
        await asyncio.wait(tasks, timeout=10)
        assert tasks[0].done()


async def test_addresses_that_wait_go_on_in_turn(clock: Clock) -> None:
    made = Fair()
    busy, other, quiet = (made.account(f"192.0.2.{n}") for n in range(3))
    for account, seconds in ((busy, 0.8), (other, 0.8), (quiet, 0.01)):
        account.spent(seconds)
    made.forget()
    assert (busy.is_ahead, other.is_ahead, quiet.is_ahead) == (True, True, False)
    made.saved = -0.1
    quiet.spent(0.001)
    order: list[str] = []

    async def one(account: Account, name: str) -> None:
        await account.turn()
        order.append(name)

    async with running(*(one(busy, "busy") for _ in range(5)), one(other, "other")) as tasks:
        assert order == []
        clock.now += 1
        await asyncio.wait(tasks, timeout=10)
    assert order[:2] == ["busy", "other"]
    assert len(order) == 6


@pytest.mark.usefixtures("clock")
async def test_who_leaves_while_waiting_holds_up_nobody() -> None:
    made, busy, quiet = two()
    made.saved = -0.1
    quiet.spent(0.001)
    async with running(busy.turn(), busy.turn()) as tasks:
        tasks[0].cancel()
        await turned()
        busy.is_ahead = False
        await asyncio.wait(tasks, timeout=10)
        assert tasks[0].cancelled()
        assert tasks[1].done()


async def test_steps_are_counted_once_however_they_are_nested(clock: Clock) -> None:
    made = Fair()
    meter = Meter(made, made.account(BUSY))

    async def inner() -> str:
        clock.now += 0.25
        await asyncio.sleep(0)
        clock.now += 0.25
        return "done"

    async def outer() -> str:
        assert fair.current() is meter.account
        clock.now += 0.5
        found = await fair.in_turn(inner)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fair.counted(inner()))
        return found

    assert await meter.counted(outer()) == "done"
    assert meter.account.used == pytest.approx(1.5)


@pytest.mark.usefixtures("clock")
async def test_what_is_raised_comes_through_both_ways() -> None:
    made = Fair()
    seen: list[str] = []

    async def fails() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            seen.append("left")

    async with running(Meter(made, made.account(BUSY)).counted(fails())) as tasks:
        pass
    assert tasks[0].cancelled()
    assert seen == ["cancelled", "left"]

    async def raises() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        await Meter(made, made.account(BUSY)).counted(raises())
    assert not made.inside


async def test_what_a_proxy_asks_counts_for_whom_it_speaks(clock: Clock) -> None:
    made = Fair()
    meter = Meter(made, made.account(BUSY))

    async def asked() -> None:
        fair.on_behalf(QUIET)
        await asyncio.sleep(0)
        clock.now += 0.5
        await asyncio.sleep(0)
        fair.fault()

    async def connection() -> None:
        quiet = made.account(QUIET)
        await fair.in_turn(asked)
        assert quiet.used == pytest.approx(0.5 + fair.FAULT)
        clock.now += 0.25

    await meter.counted(connection())
    assert made.account(BUSY).used == pytest.approx(0.25)


async def test_without_a_meter_nothing_is_counted() -> None:
    async def asked(value: int) -> int:
        await fair.turn()
        fair.fault()
        fair.on_behalf(QUIET)
        return value

    assert fair.current() is None
    assert await fair.in_turn(asked, 1) == 1
    assert await fair.counted(asked(2)) == 2


@pytest.mark.usefixtures("clock")
async def test_addresses_are_forgotten() -> None:
    made = Fair()
    for number in range(1000):
        made.account(f"192.0.2.{number}").spent(0.01)
    assert made.known == 1000
    for _ in range(100):
        made.forget()
    gc.collect()
    assert made.known == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::2%eth0", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "somewhere", False),
    ],
)
def test_a_network_of_ipv6_counts_as_one(one: str, other: str, *, same: bool) -> None:
    assert (fair.together(one) == fair.together(other)) is same


@pytest.mark.skipif(sys.platform != "linux", reason="has 127.0.0.2 as an address")
async def test_beside_a_crowd_of_one_address_another_is_answered_soon() -> None:
    """Counts what is answered meanwhile, not how long it takes."""
    answered: list[str] = []

    async def application(scope: Message, _receive: Receive, send: Send) -> None:
        if scope["client"][0] == "127.0.0.2":
            time.sleep(0.005)  # noqa: ASYNC251 - it keeps the event loop busy
        answered.append(scope["client"][0])
        await text(send, 200)

    async def busy(port: int) -> None:
        transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with httpx.AsyncClient(transport=transport, timeout=60) as client:
            while True:
                await client.get(f"http://127.0.0.1:{port}/")

    async def until(said: Callable[[], bool], client: httpx.AsyncClient, url: str) -> None:
        while not said():
            await client.get(url)

    async with serving(application) as port, httpx.AsyncClient(timeout=60) as client:
        url = f"http://127.0.0.1:{port}/"
        async with running(*(busy(port) for _ in range(12))):
            await until(lambda: len(answered) > 400, client, url)
            answered.clear()
            await until(lambda: answered.count("127.0.0.1") >= 40, client, url)
            others = answered.count("127.0.0.2")
    assert others > 0
    assert others < 6 * 40, "as many as there are connections, each time"
