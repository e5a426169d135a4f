from io import BytesIO

import pydicom
import pytest

from hilum.codec.identifiers import Identifiers, look
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
