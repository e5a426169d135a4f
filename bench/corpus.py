"""The corpus of the benchmarks: made once, the same on every machine.

One CT study of many slices, an MR study of several series, many small studies of one image, and a
multi-frame object. Bodies for STOW-RS are made of the CT study. No patient is in it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    generate_uid,
)

SIZE = 512  # pixels a side
HEADER = 103  # elements in a header of the field
MR_SERIES = 5
BOUNDARY = "hilum-bench"


def uid(*parts: str) -> str:
    """The UID of something, always the same."""
    return str(generate_uid(entropy_srcs=list(parts)))


def slice_of(study: str, series: str, number: int, side: int = SIZE) -> Dataset:
    """One CT image, 16 bit, with a header of a usual size."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = uid(study, str(number))
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = "20250102"
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = "101112"
    dataset.Modality, dataset.Manufacturer = "CT", "HILUM"
    dataset.AccessionNumber, dataset.StudyID = "A0001", "1"
    dataset.StudyDescription, dataset.SeriesDescription = "BENCHMARK", "AXIAL 1.0"
    dataset.ReferringPhysicianName = "Referrer^One"
    dataset.PatientName, dataset.PatientID = "Benchmark^Corpus", "BENCH-1"
    dataset.PatientBirthDate, dataset.PatientSex = "19700101", "O"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number
    dataset.SliceThickness, dataset.KVP = "1.0", "120"
    dataset.PixelSpacing = ["0.7", "0.7"]
    dataset.ImagePositionPatient = ["-170", "-170", str(number)]
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    dataset.FrameOfReferenceUID = uid(study, "frame")
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = side
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = "40", "400"
    dataset.RescaleIntercept, dataset.RescaleSlope = "-1024", "1"
    block = dataset.private_block(0x0009, "HILUM BENCH", create=True)
    for at in range(HEADER - len(dataset) - 1):
        block.add_new(at, "LO", f"private value {at}")
    noise = np.random.default_rng(number)
    dataset.PixelData = noise.integers(0, 4096, side * side, dtype=np.uint16).tobytes()
    return dataset


def small(study: str, number: int, series: str = "", instance: int = 1) -> Dataset:
    """An image of a small study, 8 x 8 x 8 bit."""
    dataset = slice_of(study, series or uid(study, "series"), instance, 8)
    dataset.PatientName, dataset.PatientID = f"Small^Number{number:05d}", f"SMALL-{number:05d}"
    dataset.AccessionNumber = f"S{number:05d}"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = bytes(64)
    dataset["PixelData"].VR = "OB"
    return dataset


def mr(study: str, number: int, slices: int) -> Dataset:
    """One image of the MR study, 256 x 256 x 16 bit; its series follow one another."""
    series = (number - 1) // slices + 1
    dataset = slice_of(study, uid(study, f"series {series}"), number, 256)
    dataset.SOPClassUID, dataset.Modality = MRImageStorage, "MR"
    dataset.PatientName, dataset.PatientID = "Benchmark^Magnet", "BENCH-2"
    dataset.SeriesNumber, dataset.SeriesDescription = series, f"T{series % 2 + 1}"
    return dataset


def multi_frame(study: str, frames: int) -> Dataset:
    """One object of many frames, 512 x 512 x 16 bit each."""
    dataset = slice_of(study, uid(study, "series"), 1)
    dataset.SOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    dataset.Modality, dataset.NumberOfFrames = "OT", frames
    dataset.PatientName, dataset.PatientID = "Benchmark^Frames", "BENCH-3"
    dataset.PixelData = dataset.PixelData * frames
    return dataset


def write(path: Path, dataset: Dataset) -> None:
    """Write a file of PS3.10, whole or not at all."""
    part = path.with_suffix(".part")
    dataset.save_as(part, enforce_file_format=True)
    part.rename(path)


@dataclass(frozen=True)
class Corpus:
    """What is stored and asked for.

    Attributes:
        folder: where it is, or is made.
        slices: of the CT study.
        studies: small ones.
        frames: of the multi-frame object.
        mr_slices: of each series of the MR study.
    """

    folder: Path
    slices: int = 500
    studies: int = 2000
    frames: int = 400
    mr_slices: int = 20

    @property
    def ct_study(self) -> str:
        return uid("hilum", "bench", str(self.slices))

    @property
    def ct_series(self) -> str:
        return uid(self.ct_study, "series")

    def ct_instance(self, number: int) -> str:
        """The SOP Instance UID of a slice, from 1."""
        return uid(self.ct_study, str(number))

    def small_study(self, number: int) -> str:
        return uid("hilum", "small", str(number))

    @property
    def frames_study(self) -> str:
        return uid("hilum", "frames", str(self.frames))

    @property
    def all_studies(self) -> int:
        """How many there are in all."""
        return self.studies + 3

    def make(self) -> None:
        """Write what is not there yet."""
        _ = self.ct, self.small, self.mr, self.multi_frame

    @cached_property
    def ct(self) -> list[Path]:
        """The files of the CT study."""
        return self._made(
            str(self.slices),
            self.slices,
            lambda number: slice_of(self.ct_study, self.ct_series, number),
        )

    @cached_property
    def small(self) -> list[Path]:
        """The files of the small studies."""
        return self._made(
            f"small{self.studies}",
            self.studies,
            lambda number: small(self.small_study(number), number),
        )

    @cached_property
    def mr(self) -> list[Path]:
        """The files of the MR study."""
        study, count = uid("hilum", "mr", str(self.mr_slices)), self.mr_slices * MR_SERIES
        return self._made(f"mr{count}", count, lambda number: mr(study, number, self.mr_slices))

    @cached_property
    def multi_frame(self) -> Path:
        """The file of the multi-frame object."""
        study = self.frames_study
        return self._made(f"frames{self.frames}", 1, lambda _: multi_frame(study, self.frames))[0]

    def _made(self, name: str, count: int, one: Callable[[int], Dataset]) -> list[Path]:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{number:05d}.dcm" for number in range(1, count + 1)]
        for number, path in enumerate(paths, 1):
            if not path.exists():
                write(path, one(number))
        return paths


def stow_bodies(paths: Sequence[Path], each: int, folder: Path) -> Iterator[Path]:
    """Write bodies of STOW-RS requests, `each` instances in one."""
    for start in range(0, len(paths), each):
        body = folder / f"body{start:05d}"
        with body.open("wb") as out:
            for path in paths[start : start + each]:
                out.write(f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode())
                out.write(path.read_bytes())
                out.write(b"\r\n")
            out.write(f"--{BOUNDARY}--\r\n".encode())
        yield body
