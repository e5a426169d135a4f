"""What both kinds of client know of the server that they meet, and how they reach it."""

import asyncio
import json
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Self

from pydicom import Dataset

from bench.corpus import small
from hilum.codec.header import EXPLICIT_LITTLE
from hilum.codec.part10 import encode_meta

HOST = "127.0.0.1"
FOE = "127.0.0.2"  # another address of the same machine: limits are by address
AET = "ARCHIVE"
STUDY = "1.2.826.0.1.3680043.10.1511.1"
SERIES = f"{STUDY}.1"
INSTANCES = 3
CT = "1.2.840.10008.5.1.4.1.1.2"
CHANCE = random.Random()  # noqa: S311 - which of several things a hostile client does


@dataclass(frozen=True, slots=True)
class Place:
    """A running server.

    Attributes:
        token: a good one, of somebody who may query, retrieve and store.
        foe: address that hostile clients come from.
    """

    dimse: int
    http: int
    token: str
    foe: str = FOE

    @property
    def root(self) -> str:
        """The URL of the mount."""
        return f"http://{HOST}:{self.http}/aets/{AET}"

    def told(self) -> str:
        """For a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def understood(cls, text: str) -> Self:
        """What `told` says."""
        return cls(**json.loads(text))


@dataclass(slots=True)
class Wire:
    """One connection of a hostile client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, *parts: bytes) -> None:
        """Send, as fast as the other side takes it."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()

    async def hear(self, seconds: float = 10.0, pause: float = 0.1) -> None:
        """Listen until the other side closes, or is silent: at first for so long, then less."""
        patience = seconds
        try:
            while True:
                async with asyncio.timeout(patience):
                    if not await self.reader.read(65536):
                        return
                patience = pause
        except TimeoutError:
            pass

    def reset(self) -> None:
        """RST instead of FIN."""
        ours = self.writer.get_extra_info("socket")
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def connected(place: Place, port: int, *, deaf: bool = False) -> AsyncIterator[Wire]:
    """A connection from the foe's address; a `deaf` one has no room for what it does not read."""
    ours = socket.socket()
    if deaf:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ours.setblocking(False)  # noqa: FBT003 - its name says it
    try:
        ours.bind((place.foe, 0))
        async with asyncio.timeout(10):
            await asyncio.get_running_loop().sock_connect(ours, (HOST, port))
    except BaseException:
        ours.close()
        raise
    reader, writer = await asyncio.open_connection(sock=ours, limit=1024 if deaf else 2**16)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def image(study: str, number: int) -> Dataset:
    """A small image, of a study that the number makes its own."""
    made = small(study, number, f"{study}.1", number)
    made.SOPClassUID = CT
    made.SOPInstanceUID = f"{study}.1.{number}"
    return made


def part10(made: Dataset, data: bytes) -> bytes:
    """A file of PS3.10."""
    return encode_meta(CT, str(made.SOPInstanceUID), EXPLICIT_LITTLE) + data
