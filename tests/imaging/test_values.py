import pytest
from pydicom import Sequence
from tests.imaging.headers import BIG, EXPLICIT, IMPLICIT, dataset, values


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
def test_values_by_tag(syntax: str) -> None:
    item = dataset(SmallestImagePixelValue=0, LUTData=[1, 2, 3])
    item.add_new(0x00283006, "OW", b"\1\0\2\0" if syntax != BIG else b"\0\1\0\2")
    header = values(
        syntax=syntax,
        SpecificCharacterSet="ISO_IR 100",
        PatientName="M\u00fcller^Eva",
        PixelRepresentation=1,
        WindowCenter=["40", "50.5"],
        NumberOfFrames="3",
        Rows=17,
        FrameTime=33.5,
        ModalityLUTSequence=Sequence([item, item]),
    )
    assert header.text(0x00100010) == "M\u00fcller^Eva"
    assert header.numbers(0x00281050) == [40, 50.5]
    assert header.number(0x00280010) == header.whole(0x00280010) == 17
    assert header.whole(0x00280008) == 3
    assert header.number(0x00181063) == 33.5
    assert header.signed
    assert header.count(0x00283000) == len(header.items(0x00283000)) == 2
    inner = header.item(0x00283000, 1)
    assert inner is not None
    assert inner.signed
    assert inner.little(0x00283006) == b"\1\0\2\0"
    assert header.item(0x00283000, 2) is None


def test_what_is_not_there_or_makes_no_sense_is_empty() -> None:
    header = values(WindowCenter=None, PatientID="x")
    header_tags = (0x00281050, 0x00100020, 0x00100010)
    for tag in header_tags[:1] + header_tags[2:]:
        assert (header.text(tag), header.number(tag), header.items(tag)) == ("", None, [])
    assert header.number(0x00100020) is None
    assert header.whole(0x00100010, 7) == 7
    assert header.raw(0x00100010) == header.little(0x00100010) == b""
    assert header.span(0x00100010) is None
    assert 0x00100020 in header
    assert list(header) == [0x00100020, 0x00281050]
