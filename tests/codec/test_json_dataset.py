import base64
import warnings
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from tests import samples

from hilum.codec import part10
from hilum.codec.dicom_json import from_encoded
from hilum.codec.json_dataset import to_dataset
from hilum.model.errors import BadDataset


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ({"vr": "DS", "Value": [""]}, None),
        ({"vr": "DS", "Value": ["1.50", 2, None]}, "1.50\\2\\"),
        ({"vr": "DS", "Value": [0.1 + 0.2]}, "0.30000000000000"),
        ({"vr": "IS", "Value": ["1.0"]}, "1"),
        ({"vr": "IS", "Value": ["12", 3.0]}, "12\\3"),
        ({"vr": "CS", "Value": [None, "A"]}, "\\A"),
        ({"vr": "CS"}, None),
        ({"vr": "CS", "Value": []}, None),
        ({"vr": "CS", "Value": "A"}, "A"),
        ({"vr": "US", "Value": ["1", 2]}, "1\\2"),
        ({"vr": "UV", "Value": ["9007199254740993"]}, "9007199254740993"),
        ({"vr": "AT", "Value": ["00080018"]}, "(0008,0018)"),
        ({"vr": "PN", "Value": [{"Alphabetic": "A", "Phonetic": "C"}]}, "A==C"),
        ({"vr": "PN", "Value": ["A^B", None, {}]}, "A^B\\\\"),
        ({"vr": "PN", "Value": [{"Alphabetic": None}]}, ""),
    ],
)
def test_values_are_read_leniently(attribute, expected):
    value = to_dataset({"00111001": attribute})[0x00111001].value
    if isinstance(value, pydicom.multival.MultiValue):
        value = "\\".join("" if each is None else str(each) for each in value)
    assert (None if value in (None, "") else str(value)) == (expected or None)


def test_names_may_be_keywords_or_in_lower_case_and_lack_a_known_vr():
    dataset = to_dataset(
        {"PatientID": {"Value": ["P1"]}, "0020000d": {"vr": "UI", "Value": ["1.2"]}}
    )
    assert (dataset.PatientID, dataset.StudyInstanceUID) == ("P1", "1.2")


def test_binary_and_sequences_are_read():
    inner = {"00100020": {"vr": "LO", "Value": ["P1"]}}
    dataset = to_dataset(
        {
            "00420011": {"vr": "OB", "InlineBinary": base64.b64encode(b"abcd").decode()},
            "00400275": {"vr": "SQ", "Value": [inner, {}, None]},
            "7FE00010": {"vr": "OW", "BulkDataURI": "/bulkdata/7FE00010"},
        }
    )
    assert dataset.EncapsulatedDocument == b"abcd"
    assert [len(each) for each in dataset.RequestAttributesSequence] == [1, 0, 0]
    assert "PixelData" not in dataset


@pytest.mark.parametrize(
    "attributes",
    [
        {"00111001": {"Value": ["x"]}},
        {"00111001": {"vr": "ZZ", "Value": ["x"]}},
        {"00111001": {"vr": "IS", "Value": [1.5]}},
        {"00111001": {"vr": "DS", "Value": ["x"]}},
        {"00111001": {"vr": "US", "Value": [{}]}},
        {"00111001": {"vr": "CS", "Value": [["x"]]}},
        {"00111001": {"vr": "OB", "InlineBinary": "!"}},
        {"00111001": {"vr": "SQ", "Value": [1]}},
        {"00111001": {"vr": "AT", "Value": ["xyz"]}},
        {"00111001": {"vr": "FD", "Value": [1e400, "x"]}},
        {"00111001": 1},
        {"nonsense": {"vr": "CS"}},
    ],
)
def test_what_has_no_meaning_is_refused_without_its_value(attributes):
    with pytest.raises(BadDataset) as error:
        to_dataset(attributes)
    assert str(error.value).startswith(("(0011,1001) ", "an attribute"))


def test_deep_nesting_is_refused():
    attributes: dict = {}
    for _ in range(200):
        attributes = {"00400275": {"vr": "SQ", "Value": [attributes]}}
    with pytest.raises(BadDataset, match="deep"):
        to_dataset(attributes)


@pytest.mark.parametrize("path", samples.GOOD, ids=lambda path: path.name)
def test_what_is_made_of_real_files_can_be_written_and_says_the_same(path: Path):
    data = path.read_bytes()
    head = part10.read_head(data, complete=True)
    assert head is not None
    attributes = from_encoded(
        memoryview(data)[head.offset :], head.transfer_syntax_uid, inline_limit=1 << 20
    ).attributes
    for key in [key for key, each in attributes.items() if "BulkDataURI" in each]:
        del attributes[key]
    out = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmwrite(out, to_dataset(attributes), implicit_vr=False, little_endian=True)
    again = from_encoded(out.getvalue(), "1.2.840.10008.1.2.1", inline_limit=1 << 20).attributes
    assert {key: each["vr"] for key, each in again.items()} == {
        key: each["vr"] for key, each in attributes.items()
    }
    same = {key for key, each in attributes.items() if each["vr"] not in ("SQ", "DS")}
    assert {key: again[key] for key in same} == {key: attributes[key] for key in same}
