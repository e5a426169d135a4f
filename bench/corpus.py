"""Makes the corpus that the benchmarks use: one CT study of many slices, and many small studies.

python bench/corpus.py FOLDER [SLICES]
"""

import sys
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SIZE = 512  # pixels a side
HEADER = 103  # elements in a header of the field


def slice_of(study: str, series: str, number: int) -> Dataset:
    """One CT image, 512 x 512 x 16 bit, with a header of a usual size."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[study, str(number)])
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
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=[study, "frame"])
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = SIZE
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = "40", "400"
    dataset.RescaleIntercept, dataset.RescaleSlope = "-1024", "1"
    block = dataset.private_block(0x0009, "HILUM BENCH", create=True)
    for at in range(HEADER - len(dataset) - 1):
        block.add_new(at, "LO", f"private value {at}")
    noise = np.random.default_rng(number)
    dataset.PixelData = noise.integers(0, 4096, SIZE * SIZE, dtype=np.uint16).tobytes()
    return dataset


def make(folder: Path, slices: int = 500) -> list[Path]:
    """Write the study into `folder`, unless it is there; give its files."""
    folder.mkdir(parents=True, exist_ok=True)
    study = generate_uid(entropy_srcs=["hilum", "bench", str(slices)])
    series = generate_uid(entropy_srcs=[study, "series"])
    paths = [folder / f"{number:05d}.dcm" for number in range(1, slices + 1)]
    for number, path in enumerate(paths, 1):
        if not path.exists():
            slice_of(study, series, number).save_as(path, enforce_file_format=True)
    return paths


def small(study: str, number: int) -> Dataset:
    """The only image of a small study, 8 x 8 x 8 bit."""
    dataset = slice_of(study, generate_uid(entropy_srcs=[study, "series"]), 1)
    dataset.PatientName, dataset.PatientID = f"Small^Number{number:05d}", f"SMALL-{number:05d}"
    dataset.AccessionNumber = f"S{number:05d}"
    dataset.Rows = dataset.Columns = 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelData = bytes(64)
    dataset["PixelData"].VR = "OB"
    return dataset


def make_small(folder: Path, studies: int = 2000) -> list[Path]:
    """Write that many studies of one image into `folder`, unless they are there; their files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05d}.dcm" for number in range(1, studies + 1)]
    for number, path in enumerate(paths, 1):
        if not path.exists():
            study = generate_uid(entropy_srcs=["hilum", "small", str(number)])
            small(study, number).save_as(path, enforce_file_format=True)
    return paths


if __name__ == "__main__":
    made = make(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 500)
    print(f"{len(made)} files, {sum(path.stat().st_size for path in made) / 1e6:.0f} MB")
