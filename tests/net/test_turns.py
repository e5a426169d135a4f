import asyncio
from contextlib import AsyncExitStack

import pytest

from hilum.net.turns import Turns

pytestmark = pytest.mark.anyio


async def test_the_receiver_with_the_least_to_do_is_next() -> None:
    turns = Turns()
    async with turns.turn(("A", "B")) as first, turns.turn(("A", "B")) as second:
        assert {first, second} == {"A", "B"}
        async with turns.turn(("A", "B")) as third:
            assert third == "A"
            assert turns.running == 3
    assert turns.running == 0


async def test_one_at_a_time_waits_for_a_receiver_in_the_order_of_coming() -> None:
    turns = Turns()
    turns.one_at_a_time = True
    order: list[int] = []

    async def take(number: int) -> None:
        async with turns.turn(("A", "B")):
            order.append(number)
            assert turns.running <= 2
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as tasks:
        for number in range(8):
            tasks.create_task(take(number))
    assert order == sorted(order)


async def test_who_gives_up_waiting_takes_nobodys_turn() -> None:
    turns = Turns()
    turns.one_at_a_time = True
    async with turns.turn(("A",)):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(AsyncExitStack().enter_async_context(turns.turn(("A",))), 0.01)
    async with asyncio.timeout(20), turns.turn(("A",)) as receiver:
        assert receiver == "A"
