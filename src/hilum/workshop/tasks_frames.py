"""Which work on single frames is done in the workshop? Files come by path, frames go back."""

from collections.abc import Sequence
from dataclasses import replace

from hilum.imaging.index import Piece
from hilum.imaging.pixels import Pixels
from hilum.model.errors import Vanished
from hilum.workshop.reading import FAULT, waited_for


def encoded(  # noqa: PLR0913, PLR0917 - a frame in a file, and what it becomes
    path: str,
    offset: int,
    pieces: Sequence[Piece],
    bit: int,
    pixels: Pixels,
    transfer_syntax_uid: str,
) -> bytes:
    """A frame in another Transfer Syntax, without loss.

    JPEG that is stored as YCbCr becomes RGB, as it does where whole instances are transcoded.

    Args:
        path: of the file.
        offset: of the data set in it.
        pieces: where the frame's bytes are in the data set.
        bit: where it begins in them.
        pixels: how it is written.
        transfer_syntax_uid: the one that it gets.

    Raises:
        BadPixels: it cannot be decoded.
        NotAcceptable: not these pixels in that syntax.
        Vanished: the file is gone.
    """
    # Not in the broker: codecs are large.
    from hilum.imaging.decode import decode  # noqa: PLC0415
    from hilum.imaging.encode import becomes, encode  # noqa: PLC0415

    try:
        raw = b"".join(waited_for(path, offset + at, length) for at, length in pieces)
    except FileNotFoundError as error:
        raise Vanished(FAULT) from error
    decoded = decode(raw, pixels, bit, rgb=True, whole=True)
    known = replace(pixels, photometric=decoded.photometric)
    return encode(decoded.array, becomes(known, transfer_syntax_uid))
