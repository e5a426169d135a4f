"""Who stands between two systems, and hears what they say? Passes every byte on as it comes."""

import asyncio
import contextlib
from typing import Final, Protocol

from hilum.cli.record.disguise import Disguise
from hilum.cli.record.events import Record, Say
from hilum.cli.record.tap_dimse import ACCEPTOR, REQUESTOR, DimseTap
from hilum.cli.record.tap_http import HttpTap

_CHUNK: Final = 256 * 1024  # bytes
_GRACE: Final = 5.0  # seconds that a connection may go on when enough was heard
_ASSOCIATE, _HANDSHAKE = 0x01, 0x16  # first byte of an A-ASSOCIATE-RQ, of TLS
TLS: Final = "TLS: what is in it cannot be seen; have it spoken without TLS for the record"


class Tap(Protocol):
    """Hears both sides of a connection."""

    def feed(self, side: str, data: bytes) -> None:
        """Take in what one of them has sent."""

    def close(self, side: str) -> None:
        """It sends no more."""


class Middle:
    """Listens, and calls the other side for each who comes.

    Args:
        record: where it is written.
        to: host and port of the other side.
        connections: how many are recorded; 0: until `done` is set.
    """

    def __init__(self, record: Record, to: tuple[str, int], connections: int) -> None:
        self._record = record
        self._to = to
        self._left = connections
        self._counted = bool(connections)
        self._disguise = Disguise()
        self._number = 0
        self._open = 0
        self.done = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def ended(self) -> None:
        """Return when nobody is heard any more; who goes on for too long is left."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE):
                await self._idle.wait()

    def leave(self) -> None:
        """Do not wait for anybody."""
        self._idle.set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from begin to end."""
        if self._counted and not self._left:
            writer.close()
            return
        self._left -= 1
        self._number += 1
        self._open += 1
        self._idle.clear()
        say = self._record.of(self._number)
        try:
            await self._between(reader, writer, say)
        except asyncio.CancelledError:  # enough was heard; nobody waits for this task
            say("cut", REQUESTOR)
        finally:
            self._open -= 1
            writer.close()
            if not self._open:
                self._idle.set()
                if self._counted and not self._left:
                    self.done.set()

    async def _between(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, say: Say
    ) -> None:
        try:
            theirs, ours = await asyncio.open_connection(*self._to)
        except OSError as error:
            say("unreachable", ACCEPTOR, why=error.strerror or type(error).__name__)
            return
        try:
            first = await reader.read(_CHUNK)
            tap = self._tap(first, say)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(REQUESTOR, reader, ours, tap, first))
                group.create_task(_pump(ACCEPTOR, theirs, writer, tap))
        finally:
            ours.close()

    def _tap(self, first: bytes, say: Say) -> Tap | None:
        """What hears a connection that begins so."""
        kind = first[0] if first else -1
        if kind == _ASSOCIATE:
            return DimseTap(self._disguise, say)
        if first[:1].isalpha():
            return HttpTap(self._disguise, say)
        say("unheard", REQUESTOR, why=TLS if kind == _HANDSHAKE else "neither DIMSE nor HTTP")
        return None


async def _pump(
    side: str,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    tap: Tap | None,
    data: bytes = b"",
) -> None:
    """Pass on what one side sends, until it sends no more."""
    with contextlib.suppress(ConnectionError):
        data = data or await reader.read(_CHUNK)
        while data:
            writer.write(data)
            await writer.drain()
            if tap is not None:
                tap.feed(side, data)
            data = await reader.read(_CHUNK)
    if tap is not None:
        tap.close(side)
    with contextlib.suppress(OSError, RuntimeError):
        if writer.can_write_eof():
            writer.write_eof()
