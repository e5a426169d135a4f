from contextlib import aclosing

import pytest

from hilum.backends.dicomweb.shelf import Shelf
from hilum.model.errors import BackendFault
from hilum.model.instance import CHUNK

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("pieces", [0, 1, 3, 40])
async def test_what_is_added_is_read_in_order_in_pieces(pieces: int) -> None:
    async with aclosing(Shelf(10**9)) as shelf:
        for number in range(pieces):
            await shelf.add(bytes([number]) * 100_000)
        assert shelf.size == pieces * 100_000
        for _ in range(2):
            read = [piece async for piece in shelf.read()]
            assert all(len(piece) <= CHUNK for piece in read)
            assert b"".join(read) == b"".join(bytes([n]) * 100_000 for n in range(pieces))


async def test_what_is_there_can_be_written_over() -> None:
    async with aclosing(Shelf(100)) as shelf:
        await shelf.add(b"....abc")
        await shelf.put(0, b"1234")
        assert [piece async for piece in shelf.read()] == [b"1234abc"]


async def test_it_takes_no_more_than_it_may() -> None:
    async with aclosing(Shelf(10)) as shelf:
        await shelf.add(bytes(10))
        with pytest.raises(BackendFault):
            await shelf.add(b"x")
