"""How are the frames of an instance given? (PS3.18 §10.4.1.1.6 and Table 8.7.3-5)."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.header import EXPLICIT_LITTLE
from hilum.codec.media_type import RELATED, MediaType
from hilum.codec.multipart import closing, part_head
from hilum.core.backend import Lent
from hilum.core.operations import Lend
from hilum.frontends.dicomweb.asked import Asked, accepts, asked, warning
from hilum.frontends.dicomweb.entity_tag import is_known, strong
from hilum.frontends.dicomweb.frame_types import Form, Stored, Way, chosen
from hilum.frontends.dicomweb.ranges import out_of_range, span
from hilum.frontends.dicomweb.streamed import Answer, Headers, Streamed
from hilum.frontends.dicomweb.waiting import Waiting
from hilum.imaging import little
from hilum.imaging.codecs import CODECS, can_decode, can_encode
from hilum.imaging.index import EncapsulatedIndex, FrameIndex, Piece
from hilum.imaging.pixels import Pixels
from hilum.imaging.read import Looked
from hilum.model.errors import BadRequest, NotFound
from hilum.net.lying import WORTH, Lying
from hilum.workshop import reading, tasks_frames
from hilum.workshop.looks import Looks
from hilum.workshop.pool import Workshop

_LIST: Final = re.compile(r"[0-9]{1,9}(,[0-9]{1,9})*")
_WHOLE: Final = 4 * 1024 * 1024  # bytes; a frame up to this is read in one go


async def frames(request: Request) -> Response:
    """Some frames of one instance, by their numbers from 1 on, in the order they are asked for.

    200; 206 with a Warning when some of them are not there; 304; 400; 404 when none is there; 406.
    A single part may be asked for by Range: 206, 416.
    """
    return await _given(request, _numbers(request.path_params["frames"]))


async def pixeldata(request: Request) -> Response:
    """All frames of one instance."""
    return await _given(request, None)


async def _given(request: Request, numbers: Sequence[int] | None) -> Response:
    about = asked(request)
    later = await Waiting(request, about).begun()
    if later is not None:
        return later
    return Streamed(request, Frames(request, about, accepts(request), numbers).opened)


def _numbers(text: str) -> Sequence[int]:
    """Frame numbers, from 0 on.

    Raises:
        BadRequest: it is no list of numbers from 1 on, each once.
    """
    numbers = [int(each) - 1 for each in text.split(",")] if _LIST.fullmatch(text) else []
    if not numbers or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise BadRequest("frames are asked for by different numbers from 1 on: 1,2,5")
    return numbers


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of one instance, on their way to an answer.

    Attributes:
        ranges: what the client accepts, the best first.
        numbers: from 0 on; None: all.
    """

    request: Request
    asked: Asked
    ranges: Sequence[MediaType]
    numbers: Sequence[int] | None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Answer]:
        """The answer."""
        operation = self.asked.operation(Lend, ref=self.asked.ref)
        state = self.request.app.state
        async with self.asked.broker.lend(operation) as lent:
            looked = await state.pictures.looks.look(lent)
            if looked.pixels is None or looked.index is None:
                raise NotFound("there are no frames in this instance")
            source = Source(
                lent, looked, looked.pixels, looked.index, state.pictures.looks, state.workshop
            )
            count = looked.index.frames
            numbers = range(count) if self.numbers is None else self.numbers
            there = [number for number in numbers if number < count]
            if not there:
                raise NotFound(f"there is no such frame, but {count}")
            way = chosen(self.ranges, source.stored(), single=len(numbers) == 1)
            tag = strong(lent.key, way.content_type, ",".join(map(str, there)))
            if len(there) == len(numbers) and is_known(self.request, tag):
                yield Answer(304, [("ETag", tag)], b"")
            elif way.alone:
                yield await self._alone(source, there[0], way, tag)
            else:
                answer = await self._parts(source, there, way, tag)
                yield self._complete(answer, len(numbers) - len(there))

    def _complete(self, answer: Answer, missing: int) -> Answer:
        """The answer, which says so where some frames are missing from it."""
        if not missing:
            return answer
        said = warning(self.asked.root, f"{missing} of the frames are not there")
        return Answer(206, [*answer.headers, said], answer.body, answer.length)

    async def _alone(self, source: "Source", number: int, way: Way, tag: str) -> Answer:
        """One frame as the payload, or a range of it."""
        pieces = source.lies(number, way)
        data = b"" if pieces is not None else await source.frame(number, way)
        size = len(data) if pieces is None else sum(length for _, length in pieces)
        part = span(self.request, size, tag)
        if part is None:
            return out_of_range(size)
        headers: Headers = [("Content-Type", way.content_type), ("ETag", tag), *part.headers]
        if pieces is None:
            return Answer(part.status, headers, data[part.start : part.start + part.length])
        cut = cut_out(pieces, part.start, part.length)
        if part.length <= _WHOLE:
            return Answer(part.status, headers, [source.lying(cut) or await source.read(cut)])
        return Answer(part.status, headers, source.chunks(cut), part.length)

    async def _parts(self, source: "Source", numbers: Sequence[int], way: Way, tag: str) -> Answer:
        """Frames in a multipart. One boundary for one tag, as the payload is to be the same."""
        boundary = tag.strip('"')
        kind = f'{RELATED}; type="{way.kind}"; boundary={boundary}'
        headers: Headers = [("Content-Type", kind), ("ETag", tag)]
        part = {"Content-Type": way.content_type}
        first = part_head(boundary, part, first=True)
        tail = closing(boundary)
        if len(numbers) == 1 and (way.form is not Form.STORED or source.size(numbers[0]) <= _WHOLE):
            pieces = source.lies(numbers[0], way)
            lying = None if pieces is None else source.lying(pieces)
            frame = lying or await source.frame(numbers[0], way)
            return Answer(200, headers, [first, frame, tail])
        following = part_head(boundary, part)
        length = None
        if way.form is Form.STORED:
            length = len(first) + (len(numbers) - 1) * len(following) + len(tail)
            length += sum(map(source.size, numbers))
        heads = [first] + [following] * (len(numbers) - 1)
        return Answer(200, headers, source.parts(heads, numbers, way, tail), length)


@dataclass(frozen=True, slots=True)
class Source:
    """The frames of one instance that is lent."""

    lent: Lent
    looked: Looked
    pixels: Pixels
    index: FrameIndex
    looks: Looks
    workshop: Workshop | None

    @property
    def is_encapsulated(self) -> bool:
        """Whether each lies in items of its own (PS3.5 §A.4)."""
        return isinstance(self.index, EncapsulatedIndex)

    def stored(self) -> Stored:
        """How they are kept, and what can be made of them."""
        syntax = self.pixels.transfer_syntax_uid if self.is_encapsulated else EXPLICIT_LITTLE
        works = self.workshop is not None and not self.looked.inflated and can_decode(syntax)
        return Stored(syntax, decodes=works, encodes=_encodes if works else _never)

    def lies(self, number: int, way: Way) -> list[Piece] | None:
        """Where a frame is in the data set, where it goes out as it lies there.

        Raises:
            BadPixels: it is cut off.
        """
        plain = self.is_encapsulated or little.is_plain(self.pixels)
        plain &= way.form is Form.STORED
        return self.index.pieces(number) if plain else None

    def size(self, number: int) -> int:
        """Bytes of a frame as it is stored.

        Raises:
            BadPixels: it is cut off.
        """
        pieces = self.index.pieces(number)
        if self.is_encapsulated:
            return sum(length for _, length in pieces)
        return little.size(self.pixels)

    def lying(self, pieces: Sequence[Piece]) -> Lying | None:
        """Bytes of the data set to be sent as they lie in their file; None: they must be read."""
        if len(pieces) != 1 or pieces[0][1] < WORTH or self.looked.inflated:
            return None
        offset, length = self.lent.offset + pieces[0][0], pieces[0][1]
        file = reading.ready(self.lent.path, offset, length)
        return None if file is None else Lying(file, offset, length)

    async def read(self, pieces: Sequence[Piece]) -> bytes:
        """Bytes of the data set.

        Raises:
            BackendFault: they cannot be read.
        """
        return await self.looks.read(self.lent, self.looked, pieces)

    def chunks(self, pieces: Sequence[Piece]) -> AsyncGenerator[bytes, None]:
        """The same, piece by piece."""
        return self.looks.chunks(self.lent, self.looked, pieces)

    async def frame(self, number: int, way: Way) -> bytes:
        """One frame as it goes out.

        Raises:
            BadPixels: it is cut off, or cannot be decoded.
            BackendFault: it cannot be read.
        """
        pieces = self.index.pieces(number)
        if way.form is not Form.STORED and self.workshop is not None:
            bit = self.index.bit(number)
            return await self.workshop.run(
                tasks_frames.encoded,
                *(self.lent.path, self.lent.offset, pieces, bit, self.pixels, way.syntax),
            )
        raw = await self.read(pieces)
        if self.lies(number, way) is not None:
            return raw
        return little.little(raw, self.pixels, self.index.bit(number))

    async def parts(
        self, heads: Sequence[bytes], numbers: Sequence[int], way: Way, tail: bytes
    ) -> AsyncGenerator[bytes, None]:
        """Frames behind their heads, one after another, and the closing boundary."""
        for head, number in zip(heads, numbers, strict=True):
            pieces = self.lies(number, way)
            if pieces is None or sum(length for _, length in pieces) <= _WHOLE:
                data = await self.frame(number, way)
                yield head
                yield data
                continue
            yield head
            async with aclosing(self.chunks(pieces)) as chunks:
                async for chunk in chunks:
                    yield chunk
        yield tail


def _encodes(transfer_syntax_uid: str) -> bool:
    """Whether pixels can be had in it, and are the same again afterwards."""
    codec = CODECS.get(transfer_syntax_uid)
    return codec is not None and codec.lossless and can_encode(transfer_syntax_uid)


def _never(_transfer_syntax_uid: str) -> bool:
    return False


def cut_out(pieces: Sequence[Piece], start: int, length: int) -> list[Piece]:
    """A part of what several pieces hold together."""
    found: list[Piece] = []
    for at, size in pieces:
        taken = min(max(size - start, 0), length)
        if taken:
            found.append((at + start, taken))
        start = max(start - size, 0)
        length -= taken
    return found
