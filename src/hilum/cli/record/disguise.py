"""How does a data set lose who it is about, and stay of use? By a list of what may stay.

Stricter than the Basic Application Level Confidentiality Profile (PS3.15 §E.2), which lists what
must go: whatever is not in `KEPT` is replaced, private attributes go altogether (architecture,
decision 24). The same value becomes the same replacement throughout a record, so that what
belonged together still does; from one record to the next it becomes another.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from types import NoneType
from typing import Any, Final

from pydicom import DataElement, Dataset
from pydicom.datadict import tag_for_keyword

_STANDARD: Final = "1.2.840.10008."  # UIDs of the standard, which name no patient
_BINARY: Final = frozenset(("OB", "OW", "OF", "OD", "OL", "OV", "UN"))
_NUMBERS: Final = frozenset(("US", "SS", "UL", "SL", "SV", "UV", "FL", "FD"))
_LENGTHS: Final = {"SH": 16, "CS": 16, "AE": 16, "LO": 64}  # characters (PS3.5 §6.2)
_FIXED: Final = {"AS": "050Y", "DS": "0", "IS": "0", "UR": "urn:x"}
_WILD: Final = re.compile(r"([*?])")
_CODE: Final = re.compile(r"[A-Z0-9 _.+-]{0,16}|[0-9.]{1,64}|[0-9eE.+-]{1,16}")
_DATE: Final = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")
_DAYS: Final = 3000  # the most that dates go back
_WORDS: Final = """
    SpecificCharacterSet ImageType SOPClassUID Modality ModalitiesInStudy SOPClassesInStudy
    QueryRetrieveLevel RetrieveAETitle InstanceAvailability AvailableTransferSyntaxUID
    NumberOfPatientRelatedStudies NumberOfPatientRelatedSeries NumberOfPatientRelatedInstances
    NumberOfStudyRelatedSeries NumberOfStudyRelatedInstances NumberOfSeriesRelatedInstances
    TimezoneOffsetFromUTC ReferencedSOPClassUID FailureReason WarningReason TransactionStatus
    InstanceNumber SeriesNumber AcquisitionNumber NumberOfFrames SamplesPerPixel Rows Columns
    PhotometricInterpretation PlanarConfiguration BitsAllocated BitsStored HighBit
    PixelRepresentation RescaleIntercept RescaleSlope WindowCenter WindowWidth
    LossyImageCompression LossyImageCompressionMethod LossyImageCompressionRatio
    ImagePositionPatient ImageOrientationPatient PixelSpacing SliceThickness SliceLocation
    RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor
    BluePaletteColorLookupTableDescriptor ValueType RelationshipType ContinuityOfContent
    CompletionFlag VerificationFlag
"""
KEPT: Final = frozenset(tag for word in _WORDS.split() if (tag := tag_for_keyword(word)))
"""Attributes that keep their values: how an image is built, what is asked for, how it went."""

Attributes = dict[str, Any]
"""As in DICOM JSON; bulk is `{"vr": …, "zeros": bytes}`, or `"fragments": [bytes, …]`."""


class Disguise:
    """Replaces values, each by the same one throughout.

    Args:
        key: what the replacements are made with; a new one, which nobody keeps.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)
        self._days = timedelta(days=1 + int.from_bytes(self._digest("days")[:4]) % _DAYS)

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(), hashlib.sha256)

    def uid(self, uid: str) -> str:
        """Another UID (PS3.5 §B.2); those of the standard stay."""
        if not uid or uid.startswith(_STANDARD):
            return uid
        return f"2.25.{int.from_bytes(self._digest(uid)[:16])}"

    def word(self, text: str, longest: int = 64) -> str:
        """A word that tells nothing; wild cards stay."""
        pieces = (
            piece if piece in {"*", "?", ""} else f"X{self._digest(piece).hex()[:10].upper()}"
            for piece in _WILD.split(text.strip())
        )
        return "".join(pieces)[:longest]

    def text(self, vr: str, value: str) -> str:
        """A value of that VR instead; "" stays."""
        if not value.strip():
            return ""
        if vr in _FIXED:
            return _FIXED[vr]
        match vr:
            case "UI":
                return self.uid(value.strip(" \0"))
            case "DA" | "DT":
                return self._date(value)
            case "TM":
                return "000000-235959" if "-" in value else "000000"
            case _:
                return self.word(value, _LENGTHS.get(vr, 64))

    def _date(self, value: str) -> str:
        """An earlier day, of a range both; the time of a DT goes."""
        parts = [self._day(part) for part in value.split("-")[:2]] if value else []
        return "-".join(parts) if "-" in value else "".join(parts)

    def _day(self, text: str) -> str:
        found = _DATE.match(text.strip())
        if found is None:
            return ""
        try:
            day = date(int(found[1]), int(found[2]), int(found[3])) - self._days
        except (ValueError, OverflowError):
            return ""
        return f"{day:%Y%m%d}"

    def dataset(self, dataset: Dataset) -> Attributes:
        """The attributes of a data set, all but `KEPT` replaced, without private ones."""
        return {f"{each.tag:08X}": self._element(each) for each in self._public(dataset)}

    def _public(self, dataset: Dataset) -> Iterator[DataElement]:
        for each in dataset:
            if not each.tag.is_private and each.tag.element:
                yield each

    def _element(self, element: DataElement) -> Attributes:
        is_bulk = isinstance(element.value, bytes)
        vr = str(element.VR).split(" or ")[-1 if is_bulk else 0]  # some depend on other elements
        if vr == "SQ":
            return {"vr": vr, "Value": [self.dataset(item) for item in element.value or ()]}
        if vr in _BINARY or is_bulk:
            return _bulk(element, vr)
        values = _values(element)
        if vr == "AT":
            return {"vr": vr, "Value": [f"{int(each):08X}" for each in values]}
        if element.tag in KEPT:
            return {"vr": vr, "Value": [self._kept(vr, each) for each in values]}
        if vr in _NUMBERS:
            return {"vr": vr, "Value": [0 for _ in values]}
        return {"vr": vr, "Value": [self.text(vr, str(each)) for each in values]}

    def attributes(self, attributes: Mapping[str, Any]) -> Attributes:
        """The same of DICOM JSON; what is no attribute goes."""
        made = {}
        for name, each in attributes.items():
            if re.fullmatch(r"[0-9A-Fa-f]{8}", name) and isinstance(each, dict):
                tag = int(name, 16)
                if not (tag >> 16) & 1:
                    made[name.upper()] = self._attribute(tag, each)
        return made

    def _attribute(self, tag: int, told: Mapping[str, Any]) -> Attributes:
        vr, values = str(told.get("vr", "UN")), told.get("Value")
        if "InlineBinary" in told:
            return {"vr": vr, "zeros": len(str(told["InlineBinary"])) * 3 // 4}
        if "BulkDataURI" in told:
            return {"vr": vr, "bulk": True}
        if not isinstance(values, list):
            return {"vr": vr}
        if tag in KEPT:
            values = [self._kept(vr, each) for each in values]
        elif vr != "AT":
            values = [self._said(vr, each) for each in values]
        return {"vr": vr, "Value": values}

    def _kept(self, vr: str, value: object) -> Any:  # noqa: ANN401 - a JSON value
        """A value that may stay, unless it is none of its kind: who knows what stands there."""
        if type(value) in {int, float, NoneType}:
            return value
        text = str(value)  # DS and IS as they are written
        return text if vr == "AE" or _CODE.fullmatch(text) else self.text(vr, text)

    def _said(self, vr: str, value: object) -> Any:  # noqa: ANN401 - a JSON value
        if vr == "SQ":
            return self.attributes(value) if isinstance(value, dict) else {}
        if vr in _NUMBERS or vr in {"DS", "IS"}:
            return 0
        if isinstance(value, dict):  # a person's name
            return {str(name): self.word(str(each)) for name, each in value.items()}
        return None if value is None else self.text(vr, str(value))


def _values(element: DataElement) -> list[Any]:
    value = element.value
    if value is None or value == "":
        return []
    return list(value) if element.VM > 1 else [value]


def _bulk(element: DataElement, vr: str) -> Attributes:
    """Bytes of the same length, all of them zero."""
    value = element.value or b""
    if not isinstance(value, bytes):
        return {"vr": vr, "zeros": 0}
    if element.is_undefined_length:
        return {"vr": vr, "fragments": [*_fragments(value)]}
    return {"vr": vr, "zeros": len(value)}


def _fragments(value: bytes) -> Iterator[int]:
    """Lengths of the items of encapsulated pixel data, the Basic Offset Table's first."""
    at = 0
    while at + 8 <= len(value) and value[at : at + 4] == b"\xfe\xff\x00\xe0":
        size = int.from_bytes(value[at + 4 : at + 8], "little")
        yield size
        at += 8 + size
