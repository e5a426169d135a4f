"""Data sets: read for a record, and written again from it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Final
from zlib import MAX_WBITS, compressobj

from pydicom import DataElement, Dataset, Sequence, dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID

from hilum.cli.record.disguise import Attributes, Disguise
from hilum.codec.part10 import encode_meta

MOST: Final = 256 * 1024 * 1024  # bytes of a data set that is looked at
_TEXTS: Final = frozenset(("PN", "LO", "SH", "LT", "ST", "UT", "UC"))


def told(disguise: Disguise, encoded: bytes, transfer_syntax: str) -> Attributes | None:
    """What a record holds of an encoded data set; None where it cannot be read."""
    meta = encode_meta("1.2.840.10008.1.1", "1.2.3", transfer_syntax)  # names that nobody reads
    return told_of_file(disguise, meta + encoded)


def told_of_file(disguise: Disguise, file: bytes) -> Attributes | None:
    """The same of a file of PS3.10."""
    try:
        with _quiet():
            return disguise.dataset(dcmread(BytesIO(file)))
    except Exception:  # noqa: BLE001 - whatever a peer sends; nothing of it may get into the record
        return None


def syntax_of_file(file: bytes) -> str:
    """The Transfer Syntax of a file of PS3.10; "" where it says none."""
    try:
        return str(dcmread(BytesIO(file), stop_before_pixels=True).file_meta.TransferSyntaxUID)
    except Exception:  # noqa: BLE001 - as above
        return ""


def encoded(attributes: Attributes, transfer_syntax: str) -> bytes:
    """A data set as it can be sent: what was replaced is replaced, and pixels are zeros.

    Raises:
        ValueError: it cannot be written in that syntax.
    """
    syntax = UID(transfer_syntax)
    out = DicomBytesIO()
    out.is_little_endian = syntax.is_little_endian
    out.is_implicit_VR = syntax.is_implicit_VR
    try:
        with _quiet():
            write_dataset(out, dataset_of(attributes))
    except (AttributeError, TypeError, LookupError) as error:
        raise ValueError(f"a data set cannot be written: {type(error).__name__}") from error
    written = bytes(out.getvalue())
    return deflated(written) if syntax.is_deflated else written


def deflated(plain: bytes) -> bytes:
    """As Deflated Explicit VR Little Endian has it (PS3.5 §A.5)."""
    made = compressobj(wbits=-MAX_WBITS)
    packed = made.compress(plain) + made.flush()
    return packed + bytes(len(packed) & 1)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without pydicom's warnings, which quote values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def dataset_of(attributes: Attributes) -> Dataset:
    """The data set of what a record holds."""
    made = Dataset()
    for name, each in sorted(attributes.items()):
        made.add(_element(int(name, 16), each))
    return made


def _element(tag: int, told: Attributes) -> DataElement:
    vr = told["vr"]
    if vr == "SQ":
        return DataElement(tag, vr, Sequence([dataset_of(each) for each in told["Value"]]))
    if "fragments" in told:
        items = (
            b"\xfe\xff\x00\xe0" + n.to_bytes(4, "little") + bytes(n) for n in told["fragments"]
        )
        element = DataElement(tag, vr, b"".join(items))
        element.is_undefined_length = True
        return element
    if "zeros" in told:
        return DataElement(tag, vr, bytes(told["zeros"]))
    if vr == "AT":
        return DataElement(tag, vr, [int(each, 16) for each in told.get("Value", [])])
    return DataElement(tag, vr, _value(vr, told.get("Value", [])))


def _value(vr: str, values: list[Any]) -> Any:  # noqa: ANN401 - whatever pydicom takes
    if vr in _TEXTS or isinstance(values and values[0], str):
        return "\\".join(map(str, values))
    return values if len(values) > 1 else (values[0] if values else None)
