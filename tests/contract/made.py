"""Instances to store, made as they are needed."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from hilum.model.instance import Instance

ROOT = "1.2.826.0.1.3680043.10.1777"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
CT = "1.2.840.10008.5.1.4.1.1.2"


def uid(*parts: int) -> str:
    return ".".join([ROOT, *(str(part) for part in parts)])


def dataset(study: int = 1, series: int = 1, instance: int = 1, **attributes: Any) -> Dataset:
    """Study 1, series 1.1, instance 1.1.1 and so on; attributes by keyword."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = CT
    made.SOPInstanceUID = uid(study, series, instance)
    made.StudyInstanceUID = uid(study)
    made.SeriesInstanceUID = uid(study, series)
    made.PatientID = f"P{study}"
    made.PatientName = "Doe^Jane"
    made.PatientBirthDate = "19700101"
    made.PatientSex = "F"
    made.StudyDate = "20260102"
    made.StudyTime = "101112"
    made.AccessionNumber = f"A{study}"
    made.StudyID = str(study)
    made.ReferringPhysicianName = "House^Gregory"
    made.Modality = "CT"
    made.SeriesNumber = series
    made.InstanceNumber = instance
    made.Rows = made.Columns = 2
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit = 15
    made.PixelRepresentation = 0
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.PixelData = bytes([study % 256, series % 256, instance % 256, 0, 1, 2, 3, 4])
    made["PixelData"].VR = "OW"
    for keyword, value in attributes.items():
        put(made, keyword, value)
    return made


def put(target: Dataset, keyword: str, value: Any) -> None:
    """Set an attribute; None removes it, a list of mappings is a sequence."""
    if value is None:
        if keyword in target:
            del target[keyword]
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        items = []
        for each in value:
            item = Dataset()
            for inner, inner_value in each.items():
                put(item, inner, inner_value)
            items.append(item)
        setattr(target, keyword, Sequence(items))
    else:
        setattr(target, keyword, value)
        if " " in dictionary_VR(keyword):
            target[keyword].VR = "OW"


def encoded(made: Dataset, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> bytes:
    """The encoded data set."""
    buffer = DicomBytesIO()
    buffer.is_little_endian = transfer_syntax_uid != ExplicitVRBigEndian
    buffer.is_implicit_VR = transfer_syntax_uid == ImplicitVRLittleEndian
    write_dataset(buffer, made)
    return buffer.getvalue()


@dataclass(frozen=True)
class Made:
    """Bytes to be sent, any number of times."""

    data: bytes
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str = ExplicitVRLittleEndian

    def instance(self, chunk: int = 65536, *, size: bool = True) -> Instance:
        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(self.data), chunk):
                yield self.data[start : start + chunk]

        return Instance(
            sop_instance_uid=self.sop_instance_uid,
            sop_class_uid=self.sop_class_uid,
            transfer_syntax_uid=self.transfer_syntax_uid,
            chunks=chunks(),
            size=len(self.data) if size else None,
        )


def of(made: Dataset, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> Made:
    return Made(
        encoded(made, transfer_syntax_uid),
        str(made.get("SOPClassUID", "")),
        str(made.get("SOPInstanceUID", "")),
        transfer_syntax_uid,
    )


def made(study: int = 1, series: int = 1, instance: int = 1, **attributes: Any) -> Made:
    return of(dataset(study, series, instance, **attributes))
