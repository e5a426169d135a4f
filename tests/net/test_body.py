import asyncio

import pytest

from hilum.core.budget import IN_HAND
from hilum.net.body import AHEAD, MOST, Body

pytestmark = pytest.mark.anyio


async def test_pieces_come_in_their_order_and_then_the_end() -> None:
    body = Body(asyncio.Event())
    assert not body.has_more
    assert body.put(b"a")
    assert body.put(bytearray(b"b"))
    assert body.put(None)
    assert body.has_more
    pieces = [await body.receive() for _ in range(3)]
    assert [each["body"] for each in pieces] == [b"a", b"b", b""]
    assert [each["more_body"] for each in pieces] == [True, True, False]


async def test_a_reader_is_held_up_until_a_piece_was_taken() -> None:
    room = asyncio.Event()
    body = Body(room)
    for _ in range(MOST):
        assert body.put(b"x")
    assert not body.put(b"x")
    assert body.put(None)  # the end takes no room
    assert not room.is_set()
    await body.receive()
    assert room.is_set()


async def test_who_waits_is_woken_by_a_piece_and_by_a_client_that_leaves() -> None:
    body = Body(asyncio.Event())
    async with asyncio.TaskGroup() as group:
        waits = group.create_task(body.receive())
        await asyncio.sleep(0)
        body.put(b"x")
        assert (await waits)["body"] == b"x"
        waits = group.create_task(body.receive())
        await asyncio.sleep(0)
        body.leave()
        assert (await waits)["type"] == "http.disconnect"
    assert (await body.receive())["type"] == "http.disconnect"


async def test_once_the_client_is_gone_nobody_waits_for_room() -> None:
    body = Body(asyncio.Event())
    for _ in range(MOST):
        body.put(b"x")
    body.leave()
    assert body.put(b"x")


async def test_what_waits_is_counted_up_to_its_bound_and_given_back() -> None:
    before = IN_HAND.held
    body = Body(asyncio.Event())
    while body.put(bytes(AHEAD // 4)):
        assert IN_HAND.held - before <= AHEAD
    assert IN_HAND.held - before == AHEAD
    await body.receive()
    assert IN_HAND.held - before == AHEAD * 3 // 4
    body.close()
    assert IN_HAND.held == before
    assert not body.has_more
