from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests.contract.made import Made, made, uid

from hilum.config.mounts import DimseMount
from hilum.core.operations import Originator
from hilum.model.query import Path
from hilum.net.arrivals import Arrivals
from hilum.net.inbox import Caller, Expecting, Inbox, Receiving

pytestmark = pytest.mark.anyio
STUDY, SERIES, INSTANCE = (0x0020000D,), (0x0020000E,), (0x00080018,)
FIRST, SECOND = made(1, 1, 1), made(2, 1, 1)
US = "HILUM"


def mount(**settings: Any) -> DimseMount:
    return DimseMount(
        **{"backend": "dimse", "aet": "PACS", "host": "10.0.0.1", "port": 104, **settings}
    )


class Waiting:
    """Retrievals that wait at one inbox."""

    def __init__(self) -> None:
        self.inbox = Inbox(US)
        self.stack = AsyncExitStack()
        self.pacs = self.inbox.register(mount(), US)

    async def expect(
        self,
        study: int,
        listed: list[Made] | None,
        receiving: Receiving | None = None,
        **keys: str,
    ) -> Expecting:
        receiving = receiving or self.pacs
        asked: dict[Path, str] = {STUDY: uid(study)}
        asked |= {{"series": SERIES, "instance": INSTANCE}[key]: keys[key] for key in keys}
        expected = None if listed is None else [each.sop_instance_uid for each in listed]
        waiter = receiving.expecting(Arrivals(), asked, expected)
        return await self.stack.enter_async_context(waiter)

    async def sorted(  # noqa: PLR0913 - a caller has that many sides
        self,
        one: Made,
        originator: Originator | None = None,
        *,
        calling: str = "PACS",
        address: str = "10.0.0.9",
        called: str = US,
        strictly: bool = False,
    ) -> Arrivals | None:
        caller = Caller(called=called, calling=calling, address=address, originator=originator)
        found, instance = await self.inbox.sort(caller, one.instance(), strictly=strictly)
        assert b"".join([piece async for piece in instance.chunks]) == one.data
        return found


@pytest.fixture
async def waiting() -> AsyncIterator[Waiting]:
    made_one = Waiting()
    async with made_one.stack:
        yield made_one
    assert made_one.inbox.waiters == 0


@pytest.fixture(params=[True, False], ids=["strictly", "leniently"])
def strictly(request: pytest.FixtureRequest) -> Iterator[bool]:
    return request.param


def origin(waiter: Expecting, ae_title: str = US, by: int = 0) -> Originator:
    return Originator(ae_title, waiter.message_id + by)


async def test_the_move_originator_decides(waiting: Waiting, *, strictly: bool) -> None:
    one, two = await waiting.expect(1, None), await waiting.expect(1, None)
    assert one.message_id != two.message_id
    for each in (one, two):
        assert await waiting.sorted(FIRST, origin(each), strictly=strictly) is each.arrivals
        assert await waiting.sorted(FIRST, origin(each, ""), strictly=strictly) is each.arrivals


async def test_an_originator_that_is_named_gets_what_was_not_listed(
    waiting: Waiting, *, strictly: bool
) -> None:
    one = await waiting.expect(1, [made(1, 1, 9)])
    assert await waiting.sorted(FIRST, origin(one), strictly=strictly) is one.arrivals
    assert await waiting.sorted(SECOND, origin(one), strictly=strictly) is None
    assert one.turned_away == {SECOND.sop_instance_uid}


@pytest.mark.parametrize("by", [7, -1])
async def test_a_wrong_message_id_does_not_lose_the_instance(
    waiting: Waiting, *, strictly: bool, by: int
) -> None:
    one, two = await waiting.expect(1, [FIRST]), await waiting.expect(2, [SECOND])
    wrong = origin(one, by=by)
    assert await waiting.sorted(FIRST, wrong, strictly=strictly) is one.arrivals
    assert await waiting.sorted(SECOND, wrong, strictly=strictly) is two.arrivals
    # not even where it is the Message ID of another one
    assert await waiting.sorted(SECOND, origin(one), strictly=strictly) is two.arrivals


async def test_what_is_expected_goes_to_who_expects_it(waiting: Waiting, *, strictly: bool) -> None:
    one, two = await waiting.expect(1, [FIRST]), await waiting.expect(2, [SECOND])
    assert await waiting.sorted(FIRST, strictly=strictly) is one.arrivals
    assert await waiting.sorted(SECOND, strictly=strictly) is two.arrivals
    assert await waiting.sorted(made(3, 1, 1), strictly=strictly) is None


async def test_of_two_that_expect_the_same_each_gets_it(waiting: Waiting) -> None:
    one, two = await waiting.expect(1, [FIRST]), await waiting.expect(1, [FIRST])
    got = await waiting.sorted(FIRST)
    assert got is one.arrivals
    await got.store(FIRST.instance())
    assert await waiting.sorted(FIRST) is two.arrivals


async def test_who_calls_decides_before_what_is_expected_elsewhere(waiting: Waiting) -> None:
    other = waiting.inbox.register(mount(aet="OTHER", host="10.0.0.2"), US)
    one, two = await waiting.expect(1, [FIRST]), await waiting.expect(1, [FIRST], other)
    assert await waiting.sorted(FIRST, calling="OTHER") is two.arrivals
    assert await waiting.sorted(FIRST, calling="PACS") is one.arrivals
    assert await waiting.sorted(FIRST, calling="NEW", address="10.0.0.2") is two.arrivals


async def test_who_is_nobody_brings_only_what_is_expected(waiting: Waiting) -> None:
    one = await waiting.expect(1, [FIRST])
    assert await waiting.sorted(FIRST, calling="NOBODY") is one.arrivals
    assert await waiting.sorted(FIRST, calling="NOBODY", strictly=True) is None
    assert await waiting.sorted(made(1, 1, 5), calling="NOBODY") is None


async def test_where_nothing_is_listed_the_instance_says_where_it_belongs(
    waiting: Waiting,
) -> None:
    one, two = await waiting.expect(1, None), await waiting.expect(2, None)
    assert await waiting.sorted(FIRST) is one.arrivals
    assert await waiting.sorted(SECOND) is two.arrivals
    assert await waiting.sorted(made(3, 1, 1)) is None
    # a mount of the same title keeps it instead
    assert await waiting.sorted(FIRST, strictly=True) is None


async def test_a_series_is_told_from_another_of_its_study(waiting: Waiting) -> None:
    one = await waiting.expect(1, None, series=uid(1, 1))
    two = await waiting.expect(1, None, series=uid(1, 2))
    assert await waiting.sorted(made(1, 2, 1)) is two.arrivals
    assert await waiting.sorted(made(1, 1, 1)) is one.arrivals
    assert await waiting.sorted(made(1, 3, 1)) is None


async def test_what_a_peer_lists_too_short_comes_all_the_same(waiting: Waiting) -> None:
    one = await waiting.expect(1, [FIRST])
    assert await waiting.sorted(made(1, 1, 2)) is one.arrivals
    assert await waiting.sorted(made(1, 1, 2), strictly=True) is None


async def test_other_receivers_are_not_looked_at(waiting: Waiting) -> None:
    await waiting.expect(1, [FIRST])
    assert await waiting.sorted(FIRST, called="ARCHIVE") is None


async def test_nothing_waits_when_nobody_asks_any_more(waiting: Waiting) -> None:
    arrivals = Arrivals()
    async with waiting.pacs.expecting(arrivals, {STUDY: uid(1)}, [FIRST.sop_instance_uid]):
        assert await waiting.sorted(FIRST) is arrivals
    assert await waiting.sorted(FIRST) is None


@pytest.mark.parametrize(
    ("settings", "called", "calling", "address", "comes_in"),
    [
        ({}, US, "PACS", "10.9.9.9", True),
        ({}, US, "OTHER", "10.0.0.1", True),
        ({}, US, "OTHER", "::ffff:10.0.0.1", True),
        ({}, US, "OTHER", "10.9.9.9", False),
        ({}, "ARCHIVE", "PACS", "10.0.0.1", False),
        ({"receivers": ("R1", "R2")}, US, "PACS", "10.0.0.1", False),
        ({"receivers": ("R1", "R2")}, "R2", "PACS", "10.0.0.1", True),
        ({"senders": ("NODE1",)}, US, "NODE1", "10.9.9.9", True),
    ],
)
def test_who_comes_in(
    settings: dict[str, Any], called: str, calling: str, address: str, *, comes_in: bool
) -> None:
    inbox = Inbox(US)
    receiving = inbox.register(mount(**settings), US)
    assert inbox.admits(called, calling, address) is comes_in
    receiving.close()
    receiving.close()
    assert not inbox.admits(called, calling, address)
    assert not inbox.receives(called)


def test_the_receiver_is_our_own_title_else_the_one_that_we_call_by() -> None:
    assert Inbox("SERVER").register(mount(calling="X"), "X").receivers == ("SERVER",)
    assert Inbox().register(mount(), "CALLING").receivers == ("CALLING",)


def test_uncompressed_is_wanted_of_the_pacs_for_which_it_is_configured() -> None:
    inbox = Inbox(US)
    inbox.register(mount(uncompressed=True), US)
    assert inbox.uncompressed(US, "PACS")
    assert not inbox.uncompressed(US, "OTHER")
    assert not inbox.uncompressed("ARCHIVE", "PACS")


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [("auto", False, True), ("concurrent", False, False), ("sequential", True, True)],
)
async def test_a_peer_that_leaves_out_the_originator_is_noticed(
    waiting: Waiting, mode: str, *, before: bool, after: bool
) -> None:
    waiting.inbox = Inbox(US)
    receiving = waiting.inbox.register(mount(mode=mode), US)
    one = await waiting.expect(1, [FIRST], receiving)
    await waiting.sorted(FIRST, origin(one))
    assert receiving.turns.one_at_a_time is before
    await waiting.sorted(FIRST, origin(one, by=3))
    assert receiving.turns.one_at_a_time is after


def test_message_ids_are_of_16_bits_and_come_round() -> None:
    inbox = Inbox(US)
    inbox._last_id = 0xFFFE
    assert [inbox.next_id() for _ in range(3)] == [0xFFFF, 1, 2]
