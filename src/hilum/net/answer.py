"""What does a web server answer? A status, headers, and a body that is still to come."""

import zlib
from collections.abc import AsyncIterator
from typing import Final

import httpx

from hilum.model.errors import BackendFault
from hilum.model.instance import Piece
from hilum.net.refused import FOREIGN, unanswered
from hilum.net.transport import BODY, Body

PIECE: Final = 256 * 1024
"""Bytes that a compressed answer gives at once, however much is in it."""


class Answer:
    """A status, headers, and a body that is still to come: iterate over it.

    Attributes:
        url: what was asked in the end.
        accept: the Accept by which it was got.
    """

    def __init__(self, response: httpx.Response, url: str, who: str, accept: str = "") -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.url = url
        self.accept = accept
        self._body: Body = response.extensions[BODY]
        self._who = who
        self._inflate = _inflater(response.headers.get("content-encoding", ""), who)
        self._deflated: Piece = b""
        self._begun = False

    @property
    def kind(self) -> str:
        """Content-Type."""
        return str(self.headers.get("content-type", ""))

    @property
    def length(self) -> int | None:
        """Bytes in the body, where that is told."""
        text = self.headers.get("content-length", "")
        return int(text) if self._inflate is None and text.isdecimal() else None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Some more of the body.

        Raises:
            BackendError: the server broke off, or is silent for too long.
        """
        return bytes(await self.piece())

    async def piece(self) -> Piece:
        """The same, perhaps where it was read, and not copied; raises StopAsyncIteration, too."""
        while self._inflate is not None:
            if not self._deflated:
                self._deflated = await self._next()
            try:
                piece = self._inflate.decompress(self._deflated, PIECE)
            except zlib.error as error:
                raise BackendFault(f"{self._who} sent a body that cannot be inflated") from error
            self._deflated = self._inflate.unconsumed_tail
            if piece:
                return piece
        return await self._next()

    async def _next(self) -> Piece:
        try:
            return await anext(self._body)
        except StopAsyncIteration:
            if self._begun and self._inflate is not None and not self._inflate.eof:
                raise BackendFault(f"{self._who} sent a body that ended early") from None
            raise
        except FOREIGN as error:
            raise unanswered(error, self._who) from error
        finally:
            self._begun = True

    async def read(self, limit: int) -> bytes:
        """All of the body.

        Raises:
            BackendError: as above, or it is longer than `limit`.
        """
        data = b""
        async for piece in self:
            data += piece
            if len(data) > limit:
                raise BackendFault(f"{self._who} answered more than {limit} bytes")
        return data


def _inflater(encoding: str, who: str) -> "zlib._Decompress | None":
    """What undoes a Content-Encoding; None where there is none.

    Raises:
        BackendFault: it is none that we asked for.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        case "deflate":
            return zlib.decompressobj()
    raise BackendFault(f"{who} answers in a content encoding that was not asked for")
