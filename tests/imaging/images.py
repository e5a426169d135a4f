"""Instances for the tests of the pixels: made here, and those of the samples."""

import warnings
from functools import cache
from pathlib import Path
from struct import pack

from pydicom import Dataset, dcmread
from tests import samples

from hilum.codec.header import EXPLICIT_LITTLE
from hilum.codec.part10 import read_head
from hilum.imaging.read import Looked, look
from hilum.model.errors import HilumError

BASELINE = "1.2.840.10008.1.2.4.50"


def element(tag: int, vr: str, value: bytes) -> bytes:
    value += b"\0" * (len(value) & 1)
    head = pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    if vr in {"OB", "OW", "OF", "OD", "OV", "SQ", "UN"}:
        return head + pack("<HL", 0, len(value)) + value
    return head + pack("<H", len(value)) + value


def item(value: bytes) -> bytes:
    return pack("<HHL", 0xFFFE, 0xE000, len(value)) + value


def header(  # noqa: PLR0913
    rows: int = 2,
    columns: int = 3,
    frames: str = "",
    *,
    samples: int = 1,
    photometric: str = "MONOCHROME2",
    allocated: int = 8,
    stored: int = 0,
    signed: int = 0,
) -> bytes:
    data = element(0x00280002, "US", pack("<H", samples))
    data += element(0x00280004, "CS", photometric.encode())
    data += element(0x00280008, "IS", frames.encode().ljust(len(frames) + len(frames) % 2))
    data += element(0x00280010, "US", pack("<H", rows))
    data += element(0x00280011, "US", pack("<H", columns))
    data += element(0x00280100, "US", pack("<H", allocated))
    data += element(0x00280101, "US", pack("<H", stored or allocated))
    return data + element(0x00280103, "US", pack("<H", signed))


def encapsulated(
    fragments: list[bytes], table: list[int] | None = None, extended: list[int] | None = None
) -> bytes:
    data = b""
    if extended is not None:
        data = element(0x7FE00001, "OV", pack(f"<{len(extended)}Q", *extended))
    data += pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    data += item(pack(f"<{len(table or [])}L", *table or []))
    data += b"".join(item(each) for each in fragments)
    return data + pack("<HHL", 0xFFFE, 0xE0DD, 0)


def native(value: bytes, vr: str = "OW") -> bytes:
    return element(0x7FE00010, vr, value)


def looked(data: bytes, syntax: str = EXPLICIT_LITTLE) -> Looked:
    return look(data, syntax)


@cache
def sample(path: Path) -> tuple[bytes, str]:
    """A file's data set and its Transfer Syntax."""
    raw = path.read_bytes()
    head = read_head(raw, complete=True)
    assert head is not None
    return raw[head.offset :], head.transfer_syntax_uid


def dataset(path: Path, *, pixels: bool = True) -> Dataset:
    """The same by pydicom."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dcmread(path, stop_before_pixels=not pixels, force=True)


@cache
def images() -> list[Path]:
    """The samples that have pixels which make sense."""
    found = []
    for path in samples.GOOD + samples.DUP + samples.EDGE + samples.DERIVED:
        try:
            if look(*sample(path)).pixels is not None:
                found.append(path)
        except HilumError:
            continue
    return found
