import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from hilum.net import letters
from hilum.net.letters import Letters

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name == "nt", reason="there is one process there"),
]
Got = asyncio.Queue[tuple[str, socket.socket, bytes]]


@contextmanager
def two(folder: Path) -> Iterator[tuple[Letters, Letters]]:
    with ExitStack() as stack:
        pairs = []
        for _ in range(2):
            pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            pairs.append([stack.enter_context(each) for each in pair])
        boxes = [to for _, to in pairs]
        yield Letters(pairs[0][0], boxes, folder), Letters(pairs[1][0], boxes, folder)


def opened(to: Letters) -> Got:
    got: Got = asyncio.Queue()
    for door in ("dimse", "http"):
        to.open(door, lambda sock, data, door=door: got.put_nowait((door, sock, data)), all_doors=2)
    return got


@pytest.mark.parametrize("size", [0, 10, 1024, 1025, 800_000])
async def test_a_connection_comes_with_what_was_read_of_it(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    with two(tmp_path) as (one, other):
        got = opened(other)
        ours, theirs = socket.socketpair()
        with theirs:
            with ours:
                await one.send(1, "http", ours, data)
            door, taken, read = await asyncio.wait_for(got.get(), 20)
            with taken:
                assert (door, read) == ("http", data)
                taken.send(b"hello")
                assert theirs.recv(10) == b"hello"
        other.close()


async def test_what_comes_before_all_doors_are_open_waits(tmp_path: Path) -> None:
    with two(tmp_path) as (one, other):
        got: Got = asyncio.Queue()
        other.open("http", lambda sock, data: got.put_nowait(("http", sock, data)), all_doors=2)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            await one.send(1, "dimse", ours, b"")
        await asyncio.sleep(0.05)
        other.open("dimse", lambda sock, data: got.put_nowait(("dimse", sock, data)), all_doors=2)
        door, taken, _ = await asyncio.wait_for(got.get(), 20)
        taken.close()
        assert door == "dimse"
        other.close()


async def test_a_door_that_is_shut_closes_what_comes(tmp_path: Path) -> None:
    with two(tmp_path) as (one, other):
        opened(other)
        other.shut("http")
        ours, theirs = socket.socketpair()
        with theirs:
            with ours:
                await one.send(1, "http", ours, b"")
            theirs.settimeout(0)
            async with asyncio.timeout(20):
                assert await asyncio.get_running_loop().sock_recv(theirs, 1) == b""
        other.close()


async def test_a_box_that_stays_full_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letters, "_PATIENCE", 0.05)
    with two(tmp_path) as (one, _):
        ours, theirs = socket.socketpair()

        async def fill() -> None:
            for _ in range(2000):
                await one.send(1, "http", ours, b"x" * 1000)

        with ours, theirs, pytest.raises(OSError):  # noqa: PT011 - any
            await fill()
