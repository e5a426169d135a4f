"""Where the sample files are: $HILUM_SAMPLES, the folder beside us, or pydicom's wheel."""

import os
from pathlib import Path

import pydicom

_BESIDE = Path(__file__).parents[2] / "shared" / "dicom"
ROOT = Path(os.environ.get("HILUM_SAMPLES") or _BESIDE)
HERE = ROOT.is_dir()


def _folder(name: str) -> list[Path]:
    return sorted(path for path in (ROOT / name).rglob("*") if path.is_file())


_BROKEN = {"badVR.dcm", "MR_truncated.dcm", "rtplan_truncated.dcm", "bad_sequence.dcm"}


def _wheel() -> tuple[list[Path], list[Path]]:
    """pydicom's own files: those with unique valid UIDs, and the others."""
    good: dict[str, Path] = {}
    other: list[Path] = []
    for path in sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm")):
        try:
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
            uids = [dataset[key].value for key in ("SOPClassUID", "SOPInstanceUID")]
            uids += [dataset[key].value for key in ("StudyInstanceUID", "SeriesInstanceUID")]
            whole = all(uids) and "TransferSyntaxUID" in dataset.file_meta
        except Exception:  # noqa: BLE001 - whatever cannot be read is an edge file
            whole = False
        if whole and uids[1] not in good and path.name not in _BROKEN:
            good[uids[1]] = path
        else:
            other.append(path)
    return list(good.values()), other


if HERE:
    GOOD, DUP, EDGE, DERIVED = (_folder(name) for name in ("good", "dup", "edge", "derived"))
else:
    GOOD, EDGE = _wheel()
    DUP, DERIVED = [], []
