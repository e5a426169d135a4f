"""Which codec is there for a Transfer Syntax? One table, and what of it is installed here."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from types import MappingProxyType
from typing import Final

from hilum.codec.fragments import media_type_of
from hilum.codec.header import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hilum.model.errors import NotAcceptable

NATIVE, RLE, JPEG, JPEG_LOSSLESS = "native", "RLE", "JPEG", "lossless JPEG"
JPEG_LS, JPEG_2000, JPEG_XL, FRAMED = "JPEG-LS", "JPEG 2000", "JPEG XL", "deflated frames"

_EXTRA: Final = "imagecodecs"


@dataclass(frozen=True, slots=True)
class Codec:
    """What is known of one Transfer Syntax.

    Attributes:
        kind: who decodes it: `NATIVE` and so on.
        decodes: the package that does; "" for this one; None: nobody.
        encodes: the package that encodes; "" and None as above.
        lossless: pixels can be encoded so that the same ones are decoded again; in some it need
            not be so (JPEG 2000).
        encapsulated: its Pixel Data are items (PS3.5 §A.4).
    """

    kind: str
    decodes: str | None = ""
    encodes: str | None = None
    lossless: bool = True
    encapsulated: bool = True


_JPEG = "1.2.840.10008.1.2.4."
_NATIVE = Codec(NATIVE, encodes="", encapsulated=False)
RLE_LOSSLESS: Final = "1.2.840.10008.1.2.5"
BASELINE: Final = _JPEG + "50"
EXTENDED: Final = _JPEG + "51"
LOSSLESS: Final = _JPEG + "57"
LOSSLESS_SV1: Final = _JPEG + "70"
JLS_LOSSLESS: Final = _JPEG + "80"
JLS_NEAR: Final = _JPEG + "81"
J2K_LOSSLESS: Final = _JPEG + "90"
J2K: Final = _JPEG + "91"
JXL_LOSSLESS: Final = _JPEG + "110"
JXL: Final = _JPEG + "112"
HTJ2K_LOSSLESS: Final = _JPEG + "201"
HTJ2K_RPCL: Final = _JPEG + "202"
HTJ2K: Final = _JPEG + "203"
ENCAPSULATED_NATIVE: Final = "1.2.840.10008.1.2.1.98"
DEFLATED_FRAMES: Final = "1.2.840.10008.1.2.8.1"

CODECS: Final[Mapping[str, Codec]] = MappingProxyType({
    IMPLICIT_LITTLE: _NATIVE,
    EXPLICIT_LITTLE: _NATIVE,
    EXPLICIT_BIG: _NATIVE,
    DEFLATED: _NATIVE,
    "1.2.840.113619.5.2": Codec(NATIVE, encapsulated=False),  # GE's, big endian in pixels
    ENCAPSULATED_NATIVE: Codec(NATIVE, encodes=""),
    DEFLATED_FRAMES: Codec(FRAMED, encodes=""),
    RLE_LOSSLESS: Codec(RLE, "rle", "rle"),
    BASELINE: Codec(JPEG, "PIL", "PIL", lossless=False),
    EXTENDED: Codec(JPEG, "PIL", _EXTRA, lossless=False),  # 12 bits: only with the extra
    _JPEG + "53": Codec(JPEG, "PIL", lossless=False),  # retired: spectral selection, 8 bits
    _JPEG + "55": Codec(JPEG, "PIL", lossless=False),  # retired: full progression, 8 bits
    LOSSLESS: Codec(JPEG_LOSSLESS, _EXTRA, _EXTRA),
    LOSSLESS_SV1: Codec(JPEG_LOSSLESS, _EXTRA, _EXTRA),
    JLS_LOSSLESS: Codec(JPEG_LS, "jpeg_ls", "jpeg_ls"),
    JLS_NEAR: Codec(JPEG_LS, "jpeg_ls", "jpeg_ls", lossless=False),
    J2K_LOSSLESS: Codec(JPEG_2000, "openjpeg", "openjpeg"),
    J2K: Codec(JPEG_2000, "openjpeg", "openjpeg"),
    JXL_LOSSLESS: Codec(JPEG_XL, _EXTRA),
    _JPEG + "111": Codec(JPEG_XL, _EXTRA, lossless=False),
    JXL: Codec(JPEG_XL, _EXTRA, lossless=False),
    HTJ2K_LOSSLESS: Codec(JPEG_2000, "openjpeg", _EXTRA),
    HTJ2K_RPCL: Codec(JPEG_2000, "openjpeg"),
    HTJ2K: Codec(JPEG_2000, "openjpeg", _EXTRA),
})  # fmt: skip
"""Transfer Syntax UID -> its codec. Video and JPIP are none of these: they are never decoded."""


@cache
def installed(package: str) -> bool:
    """Whether a package is there; "" is this one."""
    return not package or find_spec(package) is not None


def can_decode(transfer_syntax_uid: str) -> bool:
    """Whether frames in this syntax become pixels here."""
    codec = CODECS.get(transfer_syntax_uid)
    return codec is not None and codec.decodes is not None and installed(codec.decodes)


def can_encode(transfer_syntax_uid: str) -> bool:
    """Whether pixels become frames in this syntax here."""
    codec = CODECS.get(transfer_syntax_uid)
    return codec is not None and codec.encodes is not None and installed(codec.encodes)


def decoder(transfer_syntax_uid: str) -> Codec:
    """The codec that decodes a syntax.

    Raises:
        NotAcceptable: there is none, or it is not installed.
    """
    codec = CODECS.get(transfer_syntax_uid)
    if codec is None or codec.decodes is None:
        raise NotAcceptable(f"pixels in Transfer Syntax {transfer_syntax_uid} are not decoded here")
    if not installed(codec.decodes):
        raise missing(f"pixels in {codec.kind} are decoded")
    return codec


def encoder(transfer_syntax_uid: str) -> Codec:
    """The codec that encodes a syntax.

    Raises:
        NotAcceptable: there is none, or it is not installed.
    """
    codec = CODECS.get(transfer_syntax_uid)
    if codec is None or codec.encodes is None:
        raise NotAcceptable(f"pixels are not encoded in Transfer Syntax {transfer_syntax_uid} here")
    if not installed(codec.encodes):
        raise missing(f"pixels are encoded in {codec.kind}")
    return codec


def missing(what: str) -> NotAcceptable:
    """The error for what only the extra can do."""
    return NotAcceptable(f"{what} only with the codecs extra: pip install 'hilum[codecs]'")


def encapsulates(transfer_syntax_uid: str) -> bool | None:
    """Whether Pixel Data are items in this syntax; None: it is not known."""
    codec = CODECS.get(transfer_syntax_uid)
    if codec is not None:
        return codec.encapsulated
    return True if codestreams(transfer_syntax_uid) else None


def codestreams(transfer_syntax_uid: str) -> bool:
    """Whether a frame is a codestream that may lie in several fragments."""
    codec = CODECS.get(transfer_syntax_uid)
    if codec is not None:
        return codec.kind not in {NATIVE, RLE, FRAMED}
    return media_type_of(transfer_syntax_uid) != "application/octet-stream"
