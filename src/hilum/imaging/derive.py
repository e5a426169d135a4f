"""A lossy instance out of another one, with all that the standard asks it to say of that."""

from collections.abc import Callable
from typing import Final

from hilum.codec.elements import walk
from hilum.codec.header import Buffer
from hilum.codec.walked import Walked
from hilum.imaging import codecs
from hilum.imaging.encode import Loss
from hilum.imaging.splice import Value
from hilum.imaging.transcode import Image
from hilum.model.errors import NotAcceptable, TooLarge

MAX_DERIVED: Final = 256 * 1024 * 1024
"""Bytes of encoded frames: all are made before the header, which says how small they are."""

_CLASS, _INSTANCE, _TYPE = 0x00080016, 0x00080018, 0x00080008
_DESCRIPTION, _DERIVATION, _SOURCES = 0x00082111, 0x00089215, 0x00082112
_LOSSY, _RATIO, _METHOD = 0x00282110, 0x00282112, 0x00282114
_LOWEST, _HIGHEST = 0x00280106, 0x00280107  # Smallest and Largest Image Pixel Value
_METHODS: Final = {
    codecs.JPEG: "ISO_10918_1",
    codecs.JPEG_LS: "ISO_14495_1",
    codecs.JPEG_2000: "ISO_15444_1",
}


def derived(  # noqa: PLR0913 - what an instance is made from
    buffer: Buffer,
    source_ts: str,
    target_ts: str,
    write: Callable[[bytes], object],
    *,
    loss: Loss,
    sop_instance_uid: str,
) -> None:
    """Write a lossy copy: another instance, derived from this one.

    It says so in Image Type, Lossy Image Compression with its Ratio and Method, Derivation
    Description and Code Sequence, and Source Image Sequence (PS3.3 §C.7.6.1.1.3 to 5,
    §C.12.4); what was said there before stays in front. Smallest and Largest Image Pixel Value
    go, as they are no longer known.

    Args:
        buffer: the encoded data set, without File Meta Information.
        source_ts: its Transfer Syntax.
        target_ts: a lossy one.
        write: takes the next bytes.
        loss: how much may be lost.
        sop_instance_uid: of the new instance.

    Raises:
        BadDataset, BadPixels, NotAcceptable: as `transcode.transcode`.
        TooLarge: the frames are more than `MAX_DERIVED`.
    """
    walked = walk(buffer, source_ts)
    image = Image(walked, source_ts, target_ts, loss)
    frames, size = [], 0
    for each in image.frames():
        frames.append(each)
        size += len(each)
        if size > MAX_DERIVED:
            raise TooLarge("the frames are too many to be encoded with loss")
    pixels = image.target
    ratio = f"{pixels.bits * pixels.frames / 8 / max(1, size):.6g}"
    kind = codecs.encoder(target_ts).kind
    kept = _Kept(walked)
    source = {
        0x00081150: Value("UI", kept.text(_CLASS)),
        0x00081155: Value("UI", kept.text(_INSTANCE)),
        0x0040A170: _code("121320", "Uncompressed predecessor"),
    }
    if not kept.text(_CLASS) or not kept.text(_INSTANCE):
        raise NotAcceptable("an instance without UIDs is no source of another one")
    changes = {
        _TYPE: Value(
            "CS", "\\".join(["DERIVED", *(kept.text(_TYPE).split("\\")[1:] or ["PRIMARY"])])
        ),
        _INSTANCE: Value("UI", sop_instance_uid),
        _DESCRIPTION: Value("ST", f"Lossy compression with {kind}, ratio {ratio}"),
        _SOURCES: Value("SQ", [source], after=True),
        _DERIVATION: Value("SQ", _code("113040", "Lossy Compression").value, after=True),
        _LOWEST: None,
        _HIGHEST: None,
        _LOSSY: Value("CS", "01"),
        _RATIO: Value("DS", kept.and_then(_RATIO, ratio)),
        _METHOD: Value("CS", kept.and_then(_METHOD, _METHODS[kind])),
    }
    image.write(write, changes, frames)


def _code(value: str, meaning: str) -> Value:
    """A sequence of one code of DICOM's own terms (PS3.16 Annex D)."""
    return Value(
        "SQ",
        [
            {
                0x00080100: Value("SH", value),
                0x00080102: Value("SH", "DCM"),
                0x00080104: Value("LO", meaning),
            }
        ],
    )


class _Kept:
    """What the source says."""

    def __init__(self, walked: Walked) -> None:
        self._data = walked.data
        self._elements = {element[0]: element for element in walked.elements}

    def text(self, tag: int) -> str:
        """A value of the default repertoire, "" where there is none."""
        element = self._elements.get(tag)
        if element is None or element[4] is not None:
            return ""
        raw = bytes(self._data[element[2] : element[2] + min(element[3], 1024)])
        return raw.decode("latin-1").strip("\0 ")

    def and_then(self, tag: int, value: str) -> str:
        """The values there are, and one more."""
        before = self.text(tag)
        return f"{before}\\{value}" if before else value
