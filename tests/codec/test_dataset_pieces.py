from io import BytesIO
from typing import Any

import pydicom
import pytest
from tests import samples

from hilum.codec import dicom_json, part10
from hilum.codec.dataset_pieces import Place, head_of, pieces_of
from hilum.codec.header import EXPLICIT_LITTLE
from hilum.model.errors import BadDataset


def encoded(attributes: dict[str, Any]) -> bytes:
    pieces = pieces_of(attributes)
    assert all(isinstance(piece, bytes) for piece in pieces)
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))


@pytest.mark.parametrize("path", samples.GOOD, ids=lambda path: path.name)
def test_what_is_written_reads_as_it_was_said(path: Any) -> None:
    data = path.read_bytes()
    head = part10.read_head(data, complete=True)
    assert head is not None
    described = dicom_json.from_encoded(data[head.offset :], head.transfer_syntax_uid)
    here = {tag: each for tag, each in described.attributes.items() if "BulkDataURI" not in each}
    pieces = [piece for piece in pieces_of(here) if isinstance(piece, bytes)]
    again = dicom_json.from_encoded(b"".join(pieces), EXPLICIT_LITTLE)
    places = [piece for piece in pieces_of(here) if isinstance(piece, Place)]
    if not places:  # else lengths and items behind them are not there
        for each in (here, again.attributes):
            each.pop("00080005", None)
        assert again.attributes == here
        assert again.warnings == []


def test_what_is_elsewhere_has_its_place_among_what_is_here() -> None:
    item = {"7FE00010": {"vr": "OW", "BulkDataURI": "b"}}
    pieces = pieces_of(
        {
            "7FE00010": {"vr": "OB", "BulkDataURI": "a"},
            "7FE00001": {"vr": "OV", "InlineBinary": "AAAAAAAAAAA="},
            "00080005": {"vr": "CS"},
            "00880200": {"vr": "SQ", "Value": [item]},
            "00020010": {"vr": "UI", "Value": [EXPLICIT_LITTLE]},
            "00080000": {"vr": "UL", "Value": [12]},
        }
    )
    assert [piece for piece in pieces if isinstance(piece, Place)] == [
        Place("b", 0x7FE00010, "OW", is_root=False),
        Place("a", 0x7FE00010, "OB", is_root=True),
    ]
    here = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    assert here.startswith(b"\x08\0\x05\0CS\0\0\x88\0\0\x02SQ\0\0\xff\xff\xff\xff")


def test_names_and_values_are_read_leniently() -> None:
    data = encoded({"PatientName": {"Value": ["Doe^Jane"]}, "0020000d": {"Value": ["1.2"]}})
    dataset = pydicom.dcmread(BytesIO(data), force=True)
    assert str(dataset.PatientName) == "Doe^Jane"
    assert dataset.StudyInstanceUID == "1.2"


@pytest.mark.parametrize(
    "attributes",
    [
        {"nonsense": {"vr": "LO"}},
        {"00100010": {"vr": "XX"}},
        {"00280010": {"vr": "US", "Value": [70000]}},
        {"00280010": {"vr": "US", "Value": ["x"]}},
        {"00100020": {"vr": "LO", "Value": [{"a": 1}]}},
        {"00100020": "text"},
        {"00081140": {"vr": "SQ", "Value": [1]}},
        {"00420011": {"vr": "OB", "InlineBinary": "no base64!"}},
        {"00080060": {"vr": "CS", "Value": ["\u5c71"]}},
    ],
)
def test_what_cannot_be_written_is_named(attributes: dict[str, Any]) -> None:
    with pytest.raises(BadDataset):
        pieces_of(attributes)


def test_nesting_is_bounded() -> None:
    item: dict[str, Any] = {}
    for _ in range(500):
        item = {"00081140": {"vr": "SQ", "Value": [item]}}
    with pytest.raises(BadDataset, match="too deep"):
        pieces_of(item)


def test_a_value_that_is_too_long_for_its_vr_is_unknown() -> None:
    assert head_of(0x00204000, "LT", 100)[4:] == b"LT\x64\0"
    assert head_of(0x00204000, "LT", 70_000)[4:] == b"UN\0\0\x70\x11\x01\0"
    long = encoded({"00204000": {"vr": "LT", "Value": ["x" * 70_000]}})
    assert len(long) == 70_012
