import re
from html import unescape

import pytest
from pydicom import Dataset, Sequence
from tests.imaging.headers import dataset, values

from hilum.imaging.document import HTML, MOST, TEXT, is_document, written
from hilum.model.errors import NotAcceptable

EVIL = "<script>alert('1')</script> & more"


def code(meaning: str) -> Sequence:
    return Sequence([dataset(CodeValue="1", CodingSchemeDesignator="99", CodeMeaning=meaning)])


def item(kind: str, name: str, *below: Dataset, **attributes: object) -> Dataset:
    made = dataset(ValueType=kind, ConceptNameCodeSequence=code(name), **attributes)
    if below:
        made.ContentSequence = Sequence(below)
    return made


def measured(number: str, unit: str) -> Sequence:
    units = Sequence([dataset(CodeValue=unit, CodeMeaning=unit)])
    return Sequence([dataset(NumericValue=number, MeasurementUnitsCodeSequence=units)])


REFERENCE = dataset(
    ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID="1.2.3"
)
REPORT = item(
    "CONTAINER",
    "A report",
    item("TEXT", "Finding", TextValue=EVIL),
    item(
        "CONTAINER",
        "Measured",
        item("NUM", "Length", MeasuredValueSequence=measured("12.5", "mm")),
        item("CODE", "Side", ConceptCodeSequence=code("left")),
        item("PNAME", "By", PersonName="Doe^John"),
        item("DATE", "On", Date="20250101"),
        item("IMAGE", "In", ReferencedSOPSequence=Sequence([REFERENCE])),
        item("SCOORD", "At", GraphicType="POLYLINE", GraphicData=[1.0, 2.0, 3.0, 4.0]),
        item("UIDREF", "Ref", UID="1.2.9"),
    ),
    item("TEXT", "Last", TextValue="one\ntwo"),
    PatientName="<Doe^Jane>",
    PatientID="7",
)


def test_the_tree_as_html_is_escaped_and_balanced() -> None:
    text = written(values(REPORT), HTML).decode()
    assert "<script" not in text
    assert "<Doe" not in text
    assert EVIL in unescape(text)
    for tag in ("ul", "li", "p", "b", "dl", "dt", "dd", "html", "body"):
        assert len(re.findall(f"<{tag}[ >]", text)) == text.count(f"</{tag}>"), tag
    for said in (
        "12.5 mm",
        "left",
        "Doe John",
        "20250101",
        "CT Image Storage 1.2.3",
        "polyline of 2 points",
        "1.2.9",
    ):
        assert said in text


def test_the_tree_as_text_is_indented() -> None:
    lines = written(values(REPORT), TEXT).decode().splitlines()
    assert lines[0] == "A report"
    assert "Patient: <Doe Jane>" in lines
    assert "Measured" in lines
    assert "  Length: 12.5 mm" in lines
    assert lines[-2:] == ["Last: one", "two"]


def test_what_is_a_document() -> None:
    assert is_document(values(REPORT))
    assert not is_document(values(Rows=1))
    assert not is_document(values(ValueType="CONTAINER"))
    empty = values(item("CONTAINER", "", ContentSequence=Sequence([])))
    assert b"<html>" in written(empty, HTML)


def test_a_document_without_an_end() -> None:
    many = Sequence([dataset(ValueType="TEXT")] * (MOST + 1))
    with pytest.raises(NotAcceptable):
        written(values(dataset(ValueType="CONTAINER", ContentSequence=many)), TEXT)
