"""Small data sets to try things with."""

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from hilum.codec.elements import walk
from hilum.imaging.values import Values

EXPLICIT = "1.2.840.10008.1.2.1"
BIG = "1.2.840.10008.1.2.2"
IMPLICIT = "1.2.840.10008.1.2"


def dataset(**attributes: object) -> Dataset:
    made = Dataset()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def encoded(source: Dataset, syntax: str = EXPLICIT) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = syntax != BIG, syntax == IMPLICIT
    write_dataset(buffer, source)
    return buffer.getvalue()


def values(source: Dataset | None = None, syntax: str = EXPLICIT, **attributes: object) -> Values:
    made = dataset(**attributes) if source is None else source
    return Values(walk(encoded(made, syntax), syntax))
