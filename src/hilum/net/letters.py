"""How does a worker hand a connection to another? With its socket, and what was read of it.

Each worker has a box, a datagram socket to which all others have the other end. The supervisor
keeps both ends, so that what lies in the box of a worker that died is taken by its successor.
"""

import asyncio
import json
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

_SHORT: Final = 1024
"""Bytes of what was read that go in the letter; more goes in a file. Some systems (macOS) take no
datagram over 2 KiB."""
_LETTER: Final = 4096  # bytes, the longest letter
_FILES: Final = 2  # descriptors in one
_PATIENCE: Final = 5.0  # seconds that a full box may stay full
_AGAIN: Final = 0.005  # seconds between two tries

log = logging.getLogger(__name__)

Take = Callable[[socket.socket, bytes], None]
"""Gets a connection and what was read of it."""


class Letters:
    """What one worker gives to the others, and gets from them.

    Args:
        box: where its own letters come.
        boxes: of each worker, to write to.
        folder: for what is too long for a letter.
    """

    def __init__(
        self, box: socket.socket, boxes: Sequence[socket.socket], folder: Path | None = None
    ) -> None:
        self._box = box
        self._boxes = boxes
        self._folder = folder
        self._takes: dict[str, Take] = {}
        self._open: set[str] = set()
        for each in (box, *boxes):
            each.settimeout(0)

    async def send(self, worker: int, door: str, connection: socket.socket, data: bytes) -> None:
        """Hand a connection on; the socket here still has to be closed.

        Raises:
            OSError: the worker takes nothing.
        """
        short = len(data) <= _SHORT
        letter = json.dumps({"door": door, "data": data.hex() if short else None}).encode()
        if short:
            await self._post(worker, letter, [connection.fileno()])
            return
        with tempfile.TemporaryFile(dir=self._folder, buffering=0) as more:
            rest = memoryview(data)
            while rest:
                rest = rest[more.write(rest) :]
            await self._post(worker, letter, [connection.fileno(), more.fileno()])

    async def _post(self, worker: int, letter: bytes, files: list[int]) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE
        while True:
            try:
                socket.send_fds(self._boxes[worker], [letter], files)
            except BlockingIOError:
                if loop.time() > until:
                    raise
                await asyncio.sleep(_AGAIN)
            else:
                return

    def open(self, door: str, take: Take, *, all_doors: int) -> None:
        """Let a door take what is for it; from when all do, the box is emptied."""
        self._takes[door] = take
        self._open.add(door)
        if len(self._open) == all_doors:
            asyncio.get_running_loop().add_reader(self._box.fileno(), self._read)

    def hear(self, about: str, take: Take) -> None:
        """Let somebody take what comes about something that is no door."""
        self._takes[about] = take

    def shut(self, door: str) -> None:
        """That door takes nothing any more: its connections are closed."""
        self._takes[door] = lambda connection, _data: connection.close()

    def close(self) -> None:
        """Read no more."""
        asyncio.get_running_loop().remove_reader(self._box.fileno())

    def _read(self) -> None:
        """One letter; the rest in the next turn of the loop."""
        try:
            letter, files, _flags, _from = socket.recv_fds(self._box, _LETTER, _FILES)
        except BlockingIOError:
            return
        if not files:
            return  # there were no descriptors left for them: the connection is closed
        connection = socket.socket(fileno=files[0])
        try:
            head = json.loads(letter)
            data = bytes.fromhex(head["data"] or "")
            if len(files) > 1:
                with open(files[1], "rb", 0) as more:  # noqa: PTH123 - a descriptor
                    more.seek(0)
                    data = more.read(os.fstat(files[1]).st_size)
            connection.settimeout(0)
            take = self._takes[head["door"]]
        except BaseException:
            connection.close()
            raise
        take(connection, data)
