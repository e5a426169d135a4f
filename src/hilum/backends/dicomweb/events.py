"""What is in the body of an answer, a multipart or something alone? Pulled, event by event."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from hilum.codec import media_type
from hilum.codec.multipart import Event, MultipartReader, PartData, PartStarted
from hilum.model.errors import BackendError, BackendFault, BadRequest
from hilum.model.instance import CHUNK
from hilum.net.answer import Answer

MAX_PREAMBLE: Final = 2 * 1024 * 1024
"""Bytes that are read for one event: a preamble is skipped, but not for ever."""
MAX_EPILOGUE: Final = 64 * 1024
"""Bytes after the last part that are read, so that the connection can be used again."""
MAX_PARTS: Final = 10_000_000
_HEAD: Final = 1024  # bytes; the delimiter and head of a part are mostly shorter


class Events:
    """The events of an answer's body; one that is no multipart is one part.

    Attributes:
        kind: the media type of the answer.
        related: it is a multipart.
        broken: why it ended early, where it did.
    """

    def __init__(self, answer: Answer, who: str, *, believes: bool = False) -> None:
        """Read a body; for `believes` see `MultipartReader`.

        Raises:
            BackendFault: it is a multipart without a boundary.
        """
        self.kind = media_type.parse(answer.kind)
        self.related = self.kind.kind.startswith("multipart/")
        self.broken: BackendError | None = None
        self._answer = answer
        self._who = who
        self._reader: MultipartReader | None = None
        self._ready: Iterator[Event] = iter(())
        self._rest = memoryview(b"")  # of the last piece
        self._look = _HEAD  # bytes of it that are looked at next
        if not self.related:
            alone = {"content-type": answer.kind}
            if answer.length is not None:
                alone["content-length"] = str(answer.length)
            self._ready = iter((PartStarted(alone),))
            return
        try:
            boundary = self.kind.parameters.get("boundary", "")
            self._reader = MultipartReader(boundary, MAX_PARTS, believes=believes)
        except BadRequest as error:
            raise BackendFault(f"{who} sent a multipart without its boundary") from error

    async def next(self) -> Event | None:
        """The next event; None after the last.

        Raises:
            BackendError: the answer broke off, or is malformed; each time again.
        """
        if self.broken is not None:
            raise self.broken
        try:
            return await self._next()
        except BackendError as error:
            self.broken = error
            raise

    async def _next(self) -> Event | None:
        read = 0
        while True:
            for event in self._ready:
                return event
            if self._reader is not None and self._reader.done:
                await self._epilogue()
                return None
            if not self._rest:
                try:
                    self._rest = memoryview(await self._answer.piece())
                except StopAsyncIteration:
                    if self._reader is None:
                        return None
                    raise BackendFault(f"{self._who} sent an answer that ended early") from None
            if self._reader is None:
                return PartData(self._cut(CHUNK))
            if sure := self._reader.sure:
                piece = self._cut(min(sure, CHUNK))
                self._reader.pass_by(len(piece))
                self._look = _HEAD
                return PartData(piece)
            piece = self._cut(self._look)
            self._look *= 4
            read += len(piece)
            if read > MAX_PREAMBLE:
                raise BackendFault(f"{self._who} sent something else than a multipart")
            self._ready = self._fed(self._reader, bytes(piece))

    def _cut(self, size: int) -> memoryview:
        """So many bytes of the last piece, or all there are."""
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def _fed(self, reader: MultipartReader, piece: bytes) -> Iterator[Event]:
        try:
            yield from reader.feed(piece)
        except BadRequest as error:
            raise BackendFault(f"{self._who} sent a malformed multipart") from error

    async def _epilogue(self) -> None:
        """Read what comes after the last part, which means nothing."""
        self._rest = memoryview(b"")
        skipped = 0
        with suppress(BackendError):
            while skipped < MAX_EPILOGUE and (piece := await anext(self._answer, None)) is not None:
                skipped += len(piece)
