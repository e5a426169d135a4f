"""A small study made of nothing, the same in every run."""

from dataclasses import dataclass
from io import BytesIO
from uuid import UUID, uuid5

from pydicom import Dataset, dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from hilum.codec.part10 import encode_meta

SERIES = 2
SLICES = 3  # in each series
_SIDE = 64  # pixels
_NAMESPACE = UUID("5c2f9d3e-0b8f-4f6e-9d0a-7c1d5a2e4b90")


@dataclass(frozen=True, slots=True)
class Slice:
    """One generated instance.

    Attributes:
        encoded: its data set in Explicit VR Little Endian.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str
    encoded: bytes

    @property
    def part10(self) -> bytes:
        """The instance as a file of PS3.10."""
        syntax = str(ExplicitVRLittleEndian)
        return encode_meta(self.sop_class_uid, self.sop_instance_uid, syntax) + self.encoded


@dataclass(frozen=True, slots=True)
class Study:
    """A generated study."""

    uid: str
    patient_id: str
    slices: tuple[Slice, ...]


def study(name: str) -> Study:
    """The study of that name. Its UIDs come from the name: a second run stores nothing new."""
    uid = _uid(name)
    slices = tuple(
        _slice(name, uid, series, number)
        for series in range(1, SERIES + 1)
        for number in range(1, SLICES + 1)
    )
    return Study(uid=uid, patient_id=f"HILUM-{name}", slices=slices)


def _uid(*parts: str) -> str:
    return f"2.25.{uuid5(_NAMESPACE, ' '.join(parts)).int}"  # PS3.5 §B.2


def _slice(name: str, study_uid: str, series: int, number: int) -> Slice:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    made.SOPClassUID = CTImageStorage
    made.SOPInstanceUID = _uid(name, str(series), str(number))
    made.StudyDate = made.SeriesDate = made.ContentDate = "20250101"
    made.StudyTime = made.SeriesTime = made.ContentTime = "120000"
    made.AccessionNumber = f"DEMO-{name}"[:16]
    made.Modality = "CT"
    made.Manufacturer = "Hilum"
    made.StudyDescription = "Hilum demonstration"
    made.SeriesDescription = f"Series {series}"
    made.PatientName = f"Demonstration^{name.title()}"
    made.PatientID = f"HILUM-{name}"
    made.PatientBirthDate = "19700101"
    made.PatientSex = "O"
    made.StudyInstanceUID = study_uid
    made.SeriesInstanceUID = _uid(name, str(series))
    made.StudyID = "1"
    made.SeriesNumber = series
    made.InstanceNumber = number
    made.ImagePositionPatient = [0, 0, number]
    made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.FrameOfReferenceUID = _uid(name, "frame of reference")
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.Rows = made.Columns = _SIDE
    made.PixelSpacing = [1, 1]
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit = 15
    made.PixelRepresentation = 0
    made.RescaleIntercept = 0
    made.RescaleSlope = 1
    made.PixelData = _ramp(series * SLICES + number)
    return Slice(
        sop_class_uid=str(CTImageStorage),
        sop_instance_uid=made.SOPInstanceUID,
        series_uid=made.SeriesInstanceUID,
        encoded=_encoded(made),
    )


def _ramp(step: int) -> bytes:
    return b"".join(
        ((row * step + column) % 4096).to_bytes(2, "little")
        for row in range(_SIDE)
        for column in range(_SIDE)
    )


def _encoded(made: Dataset) -> bytes:
    out = BytesIO()
    dcmwrite(out, made, implicit_vr=False, little_endian=True, enforce_file_format=False)
    return out.getvalue()
