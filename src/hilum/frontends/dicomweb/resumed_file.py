"""How is the file of one instance given from some byte on? Read where it lies (RFC 9110 §14)."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request

from hilum.codec.media_type import DICOM
from hilum.codec.part10 import encode_meta
from hilum.core.backend import Lent
from hilum.core.operations import Lend
from hilum.frontends.dicomweb.asked import Asked
from hilum.frontends.dicomweb.entity_tag import is_known, strong
from hilum.frontends.dicomweb.ranges import out_of_range, span
from hilum.frontends.dicomweb.streamed import Answer, Headers
from hilum.model.errors import BackendFault
from hilum.model.identity import Level
from hilum.workshop import reading


def is_asked(request: Request, asked: Asked) -> bool:
    """Whether a part of one instance is asked for, and can be had."""
    if "range" not in request.headers or asked.ref.level is not Level.IMAGE:
        return False
    return asked.broker.mounts[asked.mount].lends is not None


@dataclass(frozen=True, slots=True)
class ResumedFile:
    """A part of the file of one instance, on its way to an answer.

    Attributes:
        as_stored: whether it goes out alone, in the Transfer Syntax that it has.
        whole: the answer where it does not.
    """

    request: Request
    asked: Asked
    as_stored: Callable[[str], bool]
    whole: Callable[[], AbstractAsyncContextManager[Answer]]

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Answer]:
        """The answer."""
        operation = self.asked.operation(Lend, ref=self.asked.ref)
        async with self.asked.broker.lend(operation) as lent:
            if self.as_stored(lent.transfer_syntax_uid):
                yield self._part(lent)
                return
        async with self.whole() as answer:
            yield answer

    def _part(self, lent: Lent) -> Answer:
        syntax = lent.transfer_syntax_uid
        head = encode_meta(lent.sop_class_uid, lent.sop_instance_uid, syntax)
        tag = strong(lent.key, DICOM)
        if is_known(self.request, tag):
            return Answer(304, [("ETag", tag)], b"")
        size = len(head) + lent.size
        part = span(self.request, size, tag)
        if part is None:
            return out_of_range(size)
        headers: Headers = [("Content-Type", f"{DICOM}; transfer-syntax={syntax}"), ("ETag", tag)]
        body = _bytes(head, lent, part.start, part.length)
        return Answer(part.status, [*headers, *part.headers], body, part.length)


async def _bytes(head: bytes, lent: Lent, start: int, length: int) -> AsyncGenerator[bytes, None]:
    """Some of the bytes of a head and the data set behind it.

    Raises:
        BackendFault: they cannot be read.
    """
    first = head[start : start + length]
    if first:
        yield first
    behind = max(start - len(head), 0)
    try:
        async for chunk in reading.chunks(lent.path, lent.offset + behind, length - len(first)):
            yield chunk
    except OSError as error:
        raise BackendFault("the file of this instance cannot be read") from error
