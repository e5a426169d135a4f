import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hilum.net.crowd import Crowd, size
from hilum.net.entrance import Entrance
from hilum.net.letters import Letters

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name == "nt", reason="there is one process there"),
]


def request(called: str, calling: str) -> bytes:
    titles = called.ljust(16).encode() + calling.ljust(16).encode()
    return b"\x01\0\0\0\0\x44\0\x01\0\0" + titles + b"\0" * 32


class Said(asyncio.Protocol):
    """Says who it is, and what it was told."""

    def __init__(self, number: int, data: bytes) -> None:
        self.number = number
        self.data = data

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self.transport, asyncio.WriteTransport)
        self.transport.write(f"{self.number} {len(self.data + data)}".encode())
        self.transport.close()


@dataclass
class Pair:
    """Two workers with one door.

    Attributes:
        asked: what was asked about.
    """

    address: tuple[str, int]
    entrances: list[Entrance]
    crowds: list[Crowd]
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    async def whose(self, called: str, calling: str, address: str) -> int | None:
        self.asked.append((called, calling, address))
        return int(calling) if calling.isdigit() else None

    async def ask(self, *pieces: bytes) -> str:
        reader, writer = await asyncio.open_connection(*self.address)
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.03)
        answer = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        await writer.wait_closed()
        return answer.decode()


@asynccontextmanager
async def pair(folder: Path, name: str = "dimse", patience: float = 5.0) -> AsyncIterator[Pair]:
    listener = socket.create_server(("127.0.0.1", 0))
    boxes = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    letters = [Letters(box, [to for _, to in boxes], folder) for box, _ in boxes]
    memory = bytearray(size(2))
    crowds = [Crowd(memory, number, 2) for number in range(2)]
    entrances = [
        Entrance(name, listener.dup(), number, letters[number], crowds[number], 1)
        for number in range(2)
    ]
    both = Pair(listener.getsockname(), entrances, crowds)
    try:
        async with asyncio.TaskGroup() as tasks:
            for number, each in enumerate(entrances):
                whose = both.whose if name == "dimse" else None
                made = lambda data, number=number: Said(number, data)  # noqa: E731 - short
                each.serve(tasks, made, whose, patience)
            try:
                yield both
            finally:
                for each in entrances:
                    each.close()
    finally:
        for each in letters:
            each.close()
        for box in boxes:
            for end in box:
                end.close()
        listener.close()


@pytest.mark.parametrize("worker", ["0", "1"])
async def test_an_association_comes_to_who_must_have_it_and_is_whole(
    tmp_path: Path, worker: str
) -> None:
    whole = request("HILUM", worker)
    async with pair(tmp_path) as both:
        for _ in range(4):
            assert await both.ask(whole) == f"{worker} {len(whole)}"
        assert await both.ask(whole[:20], whole[20:]) == f"{worker} {len(whole)}"
    assert set(both.asked) == {("HILUM", worker, "127.0.0.1")}


async def test_what_anybody_may_have_goes_to_all_in_turn(tmp_path: Path) -> None:
    whole = request("HILUM", "SCU")
    async with pair(tmp_path) as both:
        ends = [await asyncio.open_connection(*both.address) for _ in range(8)]
        await asyncio.sleep(0.2)
        for _, writer in ends:
            writer.write(whole)
        answers = [(await asyncio.wait_for(reader.read(), 20)).decode() for reader, _ in ends]
        for _, writer in ends:
            writer.close()
    counts = [sum(each.startswith(str(worker)) for each in answers) for worker in range(2)]
    assert counts == [4, 4]


async def test_what_is_no_association_is_not_asked_about(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        answer = await both.ask(b"GET / HTTP/1.1\r\n\r\n")
        assert answer in {"0 18", "1 18"}
    assert both.asked == []


async def test_a_head_that_does_not_come_is_for_who_accepted_it(tmp_path: Path) -> None:
    async with pair(tmp_path, patience=0.1) as both:
        assert (await both.ask(request("HILUM", "1")[:20]))[2:] == "20"
    assert both.asked == []


async def test_without_a_question_it_is_served_at_once(tmp_path: Path) -> None:
    async with pair(tmp_path, "http") as both:
        assert (await both.ask(b"abc"))[2:] == "3"


async def test_closing_does_not_wait_for_who_says_nothing(tmp_path: Path) -> None:
    async with asyncio.timeout(20), pair(tmp_path, patience=60) as both:
        _, writer = await asyncio.open_connection(*both.address)
        await asyncio.sleep(0.1)
    writer.close()
    assert not any(each.is_fuller("dimse") for each in both.crowds)


async def test_the_counts_are_right_when_all_have_left(tmp_path: Path) -> None:
    async with pair(tmp_path) as both:
        await both.ask(request("HILUM", "0"))
        await both.ask(request("HILUM", "0"))
        both.entrances[0].left()
        assert both.crowds[0].is_fuller("dimse")
        both.entrances[0].left()
        assert not any(each.is_fuller("dimse") for each in both.crowds)
