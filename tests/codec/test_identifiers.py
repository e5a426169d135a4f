import tracemalloc
import zlib
from io import BytesIO

import pydicom
import pytest

from hilum.codec.identifiers import Identifiers, look
from hilum.codec.sop_class import DEFLATED_LE
from hilum.model.errors import BadDataset

ILE, ELE, EBE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


def encoded(syntax: str, *, study: str | None = "1.2") -> bytes:
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.9.1"
    dataset.add_new(0x0009_0010, "LO", "X")
    dataset.add_new(0x0009_1001, "OB", bytes(3000))
    if study is not None:
        dataset.StudyInstanceUID = study
    dataset.Rows = 1
    stream = BytesIO()
    pydicom.dcmwrite(
        stream,
        dataset,
        implicit_vr=syntax == ILE,
        little_endian=syntax != EBE,
        force_encoding=True,
    )
    return stream.getvalue()


@pytest.mark.parametrize("syntax", [ILE, ELE, EBE])
def test_the_uids_are_found_as_soon_as_they_are_there(syntax: str) -> None:
    data = encoded(syntax)
    expected = Identifiers("1.2.840.10008.5.1.4.1.1.2", "1.9.1", "1.2")
    assert look(data, syntax, study=True, complete=True) == expected
    found = [look(data[:end], syntax, study=True, complete=False) for end in range(len(data))]
    assert set(found) == {None, expected}
    assert found == sorted(found, key=lambda each: each is not None)


@pytest.mark.parametrize("syntax", [ILE, ELE, EBE])
def test_a_missing_uid_is_known_to_be_missing(syntax: str) -> None:
    found = look(encoded(syntax, study=None), syntax, study=True, complete=False)
    assert found is not None
    assert found.study_instance_uid == ""


def test_of_a_deflated_data_set_little_is_inflated() -> None:
    begin = b"\x08\0\x16\0UI\x04\x001.2\0" + b"\x09\0\x10\x10OB\0\0" + bytes((0, 0, 0, 64))
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = deflater.compress(begin + bytes(30_000_000)) + deflater.flush()
    tracemalloc.start()
    try:
        found = look(data, DEFLATED_LE, study=True, complete=False)
        assert tracemalloc.get_traced_memory()[1] < 12_000_000
    finally:
        tracemalloc.stop()
    assert found == Identifiers("1.2", "", "")  # all that it says in its first 4 MiB


def test_rubbish_is_refused_at_the_end() -> None:
    assert look(b"rubb", ELE, study=True, complete=False) is None
    with pytest.raises(BadDataset):
        look(b"rubb", ELE, study=True, complete=True)


@pytest.mark.parametrize("syntax", [ILE, ELE, EBE])
def test_without_the_study_less_is_enough(syntax: str) -> None:
    found = look(encoded(syntax)[:200], syntax, study=False, complete=False)
    assert found == Identifiers("1.2.840.10008.5.1.4.1.1.2", "1.9.1", "")


@pytest.mark.parametrize("syntax", [ILE, ELE, EBE])
def test_the_series_stands_behind_the_study(syntax: str) -> None:
    dataset = pydicom.Dataset()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2", "1.2.3"
    stream = BytesIO()
    little = syntax != EBE
    pydicom.dcmwrite(
        stream, dataset, implicit_vr=syntax == ILE, little_endian=little, force_encoding=True
    )
    found = look(stream.getvalue(), syntax, study=True, complete=True)
    assert found == Identifiers("", "", "1.2", "1.2.3")
