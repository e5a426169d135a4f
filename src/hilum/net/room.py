"""Is there room for one more HTTP connection? Who comes beyond that is told so, and sent home."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from hilum.config.schema import HttpSettings
from hilum.net.proxies import is_named

TOLD: Final = 64
"""Connections that are being told; more are cut off without a word."""
LINGER: Final = 2.0  # seconds for them to read it
AGAIN: Final = 5  # seconds after which they may come again
_PIECE: Final = 64 * 1024  # bytes

_PHRASES: Final = {429: b"Too Many Requests", 503: b"Service Unavailable"}
_BODY: Final = b'{"error":"too many connections are open"}'


class Room:
    """Counts the connections of this process; how many there may be may change."""

    def __init__(self, settings: Callable[[], HttpSettings]) -> None:
        self._settings = settings
        self._all = 0
        self._from: Counter[str] = Counter()
        self._told = 0

    def enter(self, address: str) -> int | None:
        """Let one in; else the HTTP status that says why not."""
        settings = self._settings()
        if self._all >= settings.max_connections:
            return 503
        is_many = self._from[address] >= settings.max_connections_per_peer
        if is_many and not is_named(settings, address):
            return 429
        self._all += 1
        self._from[address] += 1
        return None

    def leave(self, address: str) -> None:
        """One that was let in has ended."""
        self._all -= 1
        self._from[address] -= 1
        if not self._from[address]:
            del self._from[address]

    async def tell(
        self, status: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Answer whatever is asked with a status, and close.

        What the client sends meanwhile is read: else it sees a reset before it sees the answer.
        """
        self._told += 1
        try:
            if self._told <= TOLD:
                with suppress(OSError, TimeoutError):
                    async with asyncio.timeout(LINGER):
                        await _said(status, reader, writer)
        finally:
            self._told -= 1
            writer.transport.abort()


async def _said(status: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 %d %s\r\nConnection: close\r\nRetry-After: %d\r\nCache-Control: no-store\r\n"
        b"X-Content-Type-Options: nosniff\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (status, _PHRASES[status], AGAIN, len(_BODY), _BODY)
    )
    await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    while await reader.read(_PIECE):
        pass
