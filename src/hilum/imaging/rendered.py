"""What does an instance look like? From its encoded data set to what a browser shows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pickle import PickleBuffer
from typing import Final, Self

from PIL import Image

from hilum.codec.elements import walk
from hilum.codec.header import Buffer
from hilum.imaging import document, kinds
from hilum.imaging.cine import delays
from hilum.imaging.decode import decode
from hilum.imaging.grey import grey_of
from hilum.imaging.index import FrameIndex, frame
from hilum.imaging.jpeg import ALONE, Hands
from hilum.imaging.picture import (
    GIF,
    JPEG,
    MOVING,
    STILL,
    Picture,
    animated,
    image_of,
    written,
)
from hilum.imaging.pixels import Pixels
from hilum.imaging.profile import in_space, profile_of
from hilum.imaging.read import found
from hilum.imaging.render import shown
from hilum.imaging.shades import automatic
from hilum.imaging.values import Values
from hilum.imaging.viewport import MOST_PIXELS, fitting
from hilum.imaging.window import Window
from hilum.imaging.wish import QUALITY, Viewport, Wish
from hilum.model.errors import BadDataset, BadPixels, NotAcceptable, NotFound

MOST_FRAMES: Final = 1000
"""In an animation."""
ANIMATED: Final = 64 * 1024 * 1024
"""Pixels in all frames of an animation; where there are more, it is made smaller."""

_DOCUMENT_LENGTH: Final = 0x00420015


@dataclass(frozen=True, slots=True)
class Rendered:
    """What is given to a browser.

    Attributes:
        kind: its media type.
        body: its bytes; b"" where `spans` are.
        spans: where in the data set its bytes are: offset and length of each piece.
    """

    kind: str
    body: bytes = b""
    spans: tuple[tuple[int, int], ...] = ()

    def __reduce__(self) -> tuple[type[Self], tuple[str, PickleBuffer, object]]:
        """Its bytes need not be copied into a pickle."""
        return type(self), (self.kind, PickleBuffer(self.body), self.spans)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A data set that was looked at."""

    data: Buffer
    header: Values
    pixels: Pixels | None
    index: FrameIndex | None
    inflated: bool


def rendered(  # noqa: PLR0913, PLR0917 - what is rendered, and how
    data: Buffer,
    transfer_syntax_uid: str,
    sop_class_uid: str,
    number: int | None,
    wish: Wish,
    ranges: tuple[str, ...],
    hands: Hands = ALONE,
) -> Rendered:
    """An instance, or one frame of it, as the client accepts it (PS3.18 §10.4.1.1.3).

    Several frames are an animation where the client wants one, else the first stands for all.

    Args:
        data: the encoded data set.
        transfer_syntax_uid: of it.
        sop_class_uid: of it.
        number: of the frame, from 0; None: the instance.
        wish: how it is to look.
        ranges: media types that are accepted, perhaps with `*`, the best first.
        hands: who works on it.

    Raises:
        NotAcceptable: not in these media types, or in none.
        BadPixels: it cannot be decoded.
        NotFound: there is no such frame.
        BadRequest: the viewport shows nothing of it.
    """
    opened = _opened(data, transfer_syntax_uid)
    offers = kinds.kinds(sop_class_uid, opened.pixels, opened.header)
    if number is not None:
        if opened.pixels is None or opened.index is None:
            raise NotAcceptable("this has no frames that could be rendered")
        if not set(offers) & set(STILL):
            raise NotAcceptable("frames of a video are not rendered")
        opened.index.pieces(number)  # is it there?
    kind = kinds.chosen(ranges, offers)
    if opened.pixels is None:
        return _document(opened, kind)
    if kind.startswith("video/"):
        return _stored(opened, kind)
    if kind in MOVING and number is None and opened.pixels.frames > 1:
        return Rendered(kind, _animation(opened, wish))
    picture = _picture(opened, number or 0, wish)
    profile = b""
    if isinstance(picture, Image.Image):
        picture, profile = in_space(picture, profile_of(opened.header), wish.profile)
    return Rendered(kind, written(picture, kind, wish.quality, profile, hands))


def thumbnail(
    data: Buffer, transfer_syntax_uid: str, number: int | None, viewport: Viewport
) -> Rendered:
    """A small JPEG of a frame, or of the one in the middle (PS3.18 §10.4.1.1.4).

    Raises:
        NotFound: it is nothing of which there could be one; or there is no such frame.
        BadPixels, BadRequest: as `rendered`.
    """
    opened = _opened(data, transfer_syntax_uid)
    if opened.pixels is None or JPEG not in kinds.kinds("", opened.pixels, opened.header):
        raise NotFound("there is no thumbnail of this")
    number = (opened.pixels.frames - 1) // 2 if number is None else number
    try:
        picture = _picture(opened, number, Wish(viewport=viewport))
    except BadPixels:
        raise
    except NotAcceptable as error:
        raise NotFound("there is no thumbnail of this") from error
    return Rendered(JPEG, written(picture, JPEG, QUALITY))


def _opened(data: Buffer, transfer_syntax_uid: str) -> _Opened:
    try:
        walked = walk(data, transfer_syntax_uid)
    except BadDataset as error:
        raise BadPixels(f"the data set cannot be read: {error}") from error
    pixels, index = found(walked, transfer_syntax_uid)
    return _Opened(walked.data, Values(walked), pixels, index, inflated=walked.data is not data)


def _picture(
    opened: _Opened, number: int, wish: Wish, automatic_window: list[Window] | None = None
) -> Picture:
    """One frame as it is wished.

    Args:
        opened: with pixels.
        number: of the frame, from 0.
        wish: how it is to look.
        automatic_window: where frames without a window are to share that of the first of them,
            an empty list, or what holds it.
    """
    pixels, index = opened.pixels, opened.index
    if pixels is None or index is None:
        raise NotAcceptable("this has no pixels")
    if pixels.rows * pixels.columns > MOST_PIXELS:
        raise NotAcceptable(f"frames of more than {MOST_PIXELS} pixels are not rendered")
    as_it_is = pixels.samples == 1 and pixels.photometric.startswith("MONOCHROME")
    data = frame(opened.data, index, number)
    decoded = decode(data, pixels, index.bit(number), rgb=True, whole=as_it_is)
    pixels = replace(pixels, photometric=decoded.photometric)
    if automatic_window is not None and wish.window is None and decoded.array.ndim == 2:  # noqa: PLR2004 - grey
        grey = grey_of(opened.header, pixels, number)
        if grey.voi is None and not automatic_window:
            automatic_window.append(automatic(decoded.array, grey))
        if grey.voi is None:
            wish = replace(wish, window=automatic_window[0])
    return shown(decoded.array, pixels, opened.header, number, wish)


def _animation(opened: _Opened, wish: Wish) -> bytes:
    """All frames, one after the other."""
    pixels = opened.pixels
    if pixels is None:
        raise NotAcceptable("this has no pixels")
    if pixels.frames > MOST_FRAMES:
        raise NotAcceptable(
            f"these are {pixels.frames} frames, and an animation has at most {MOST_FRAMES}:"
            f" ask for frames one by one, or for another type than {GIF}"
        )
    times = delays(opened.header, pixels.frames)
    return b"".join(animated(_frames(opened, pixels.frames, wish), times))


def _frames(opened: _Opened, count: int, wish: Wish) -> Iterator[Image.Image]:
    shared: list[Window] = []
    size: tuple[int, int] | None = None
    for number in range(count):
        image = image_of(_picture(opened, number, wish, shared))
        if size is None:
            size = image.size
            many = image.width * image.height * count
            if many > ANIMATED:
                scale = (ANIMATED / many) ** 0.5
                size = fitting(*size, max(1, int(size[0] * scale)), max(1, int(size[1] * scale)))
        yield image if image.size == size else image.resize(size, reducing_gap=2.0)


def _document(opened: _Opened, kind: str) -> Rendered:
    """What is no image: a report in words, or the document that was put into it."""
    if kind in {document.HTML, document.TEXT}:
        return Rendered(kind, document.written(opened.header, kind))
    span = opened.header.span(kinds.ENCAPSULATED)
    if span is None:
        raise NotAcceptable("the document is not there")
    start, length = span
    told = opened.header.whole(_DOCUMENT_LENGTH)
    length = told if length - 1 <= told < length else length  # one byte of padding
    return _given(opened, kind, ((start, length),))


def _stored(opened: _Opened, kind: str) -> Rendered:
    """A video as it is kept."""
    if opened.index is None:
        raise NotAcceptable("the video is not there")
    return _given(opened, kind, tuple(opened.index.pieces(0)))


def _given(opened: _Opened, kind: str, spans: tuple[tuple[int, int], ...]) -> Rendered:
    """Bytes of the data set; of one that was deflated they are nowhere but here."""
    if not opened.inflated:
        return Rendered(kind, spans=spans)
    pieces = (bytes(opened.data[start : start + length]) for start, length in spans)
    return Rendered(kind, b"".join(pieces))
