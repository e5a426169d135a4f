import asyncio
import os
import socket
from pathlib import Path

import pytest
from tests.net.test_http1 import chunks_of, head_of, talking

from hilum.net.guard import Application, Message, Receive, Send
from hilum.net.lying import Lying, link_of, write
from hilum.net.pieces import Piece, Pieces

pytestmark = pytest.mark.anyio
CONTENT = bytes(range(256)) * 16 * 1024  # 4 MiB, more than a socket takes


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


def lying(path: Path, offset: int = 0, length: int = len(CONTENT)) -> Lying:
    return Lying(os.open(path, os.O_RDONLY), offset, length)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0  # noqa: PTH208 - a number


def giving(path: Path, *headers: tuple[bytes, bytes]) -> Application:
    async def application(_scope: Message, _receive: Receive, send: Send) -> None:
        pieces: list[Piece] = [b"head", lying(path), b"between", lying(path, 5, 100_000), b"tail"]
        await send({"type": "http.response.start", "status": 200, "headers": [*headers]})
        await send({"type": "http.response.body", "body": Pieces(pieces)})

    return application


WHOLE = b"head" + CONTENT + b"between" + CONTENT[5:100_005] + b"tail"
LENGTH = b"content-length", str(len(WHOLE)).encode()


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])  # past h11, and by it
async def test_parts_of_files_leave_in_their_place(file: Path, more: bytes) -> None:
    before = open_files()
    async with talking(giving(file, LENGTH)) as (reader, writer):
        for _ in range(1 if more else 3):
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n%s\r\n" % more)
            await head_of(reader)
            await asyncio.sleep(0.05)  # until what is sent must wait
            assert await reader.readexactly(len(WHOLE)) == WHOLE
    assert open_files() <= before


async def test_parts_of_files_are_framed_as_anything(file: Path) -> None:
    async with talking(giving(file)) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"chunked" in await head_of(reader)
        assert b"".join(await chunks_of(reader)) == WHOLE


async def test_who_asks_for_the_head_leaves_no_file_open(file: Path) -> None:
    async with talking(giving(file, LENGTH)) as (reader, writer):
        before = open_files()
        writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        for _ in range(3):
            assert LENGTH[1] in await head_of(reader)
        assert open_files() <= before


async def test_a_file_that_is_shorter_by_now_cuts_the_answer_off(file: Path) -> None:
    async def application(_scope: Message, _receive: Receive, send: Send) -> None:
        part = lying(file)
        os.truncate(file, 300_000)
        await send({"type": "http.response.start", "status": 200, "headers": [LENGTH]})
        await send({"type": "http.response.body", "body": Pieces([b"head", part]), "more_body": 1})

    async with talking(application) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(asyncio.IncompleteReadError):
            await reader.readexactly(len(WHOLE))


def test_what_is_not_read_in_time_is_an_error(file: Path) -> None:
    part = lying(file)
    assert part.read(7) == CONTENT[7:]
    assert bytes(part) == CONTENT
    os.truncate(file, 10)
    with pytest.raises(OSError, match="shorter"):
        part.read(3)


class Written(asyncio.Transport):
    """Keeps what it is given."""

    def __init__(self, waiting: int = 0, **extra: object) -> None:
        super().__init__(extra)
        self.data, self.waiting = b"", waiting

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.data += data


def test_what_waits_goes_first(file: Path) -> None:
    transport, (ours, theirs) = Written(waiting=1), socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)  # noqa: FBT003 - as in a loop
        write([b"a", lying(file, 0, 300_000)], transport, ours)
        theirs.setblocking(False)  # noqa: FBT003 - nothing is there
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
    assert transport.data == b"a" + CONTENT[:300_000]


def test_what_is_encrypted_is_left_to_the_transport() -> None:
    with socket.socket() as link:
        assert link_of(Written(socket=link, sslcontext=object())) is None
        found = link_of(Written(socket=link))
        if found is not None:
            found.close()
    assert link_of(Written()) is None
