import asyncio

import pytest

from hilum.net.blocks import Blocks

pytestmark = pytest.mark.anyio


class Carrier(asyncio.Transport):
    """Counts."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def pause_reading(self) -> None:
        self.said.append("pause")

    def resume_reading(self) -> None:
        self.said.append("resume")


async def test_a_block_is_given_as_it_came() -> None:
    blocks, block = Blocks(100), bytes(90)
    blocks.feed_data(block)
    assert await blocks.read(100) is block


async def test_blocks_that_wait_are_joined_as_far_as_is_asked() -> None:
    blocks = Blocks(100)
    for block in (b"abc", b"", b"de", b"fghij"):
        blocks.feed_data(block)
    assert [await blocks.read(most) for most in (5, 4)] == [b"abcde", b"fghi"]
    assert await blocks.read() == b"j"


async def test_who_reads_slowly_holds_the_sender_up() -> None:
    blocks, carrier = Blocks(10), Carrier()
    blocks.set_transport(carrier)
    for _ in range(3):
        blocks.feed_data(bytes(8))
    assert carrier.said == ["pause"]
    await blocks.read(8)
    assert carrier.said == ["pause"]
    await blocks.read(8)
    assert carrier.said == ["pause", "resume"]


async def test_the_end_comes_after_what_waits() -> None:
    blocks = Blocks(10)
    blocks.feed_data(b"last")
    blocks.feed_eof()
    assert not blocks.at_eof()
    assert await blocks.read(10) == b"last"
    assert blocks.at_eof()
    assert await blocks.read(10) == b""


async def test_who_waits_is_told() -> None:
    for told in (b"", b"more"):
        blocks = Blocks(10)
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(blocks.read(10))
            await asyncio.sleep(0)
            if told:
                blocks.feed_data(told)
            else:
                blocks.feed_eof()
        assert reading.result() == told


async def test_a_broken_connection_is_no_end() -> None:
    async def failing(blocks: Blocks) -> None:
        with pytest.raises(ConnectionResetError):
            await blocks.read(10)

    blocks = Blocks(10)
    async with asyncio.TaskGroup() as group:
        group.create_task(failing(blocks))
        await asyncio.sleep(0)
        blocks.set_exception(ConnectionResetError("gone"))
    await failing(blocks)
