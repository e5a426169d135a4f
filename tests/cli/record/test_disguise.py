from datetime import date

import pytest
from pydicom import Dataset, Sequence

from hilum.cli.record.disguise import Disguise

KEY = b"k" * 32


def made() -> Dataset:
    item = Dataset()
    item.PatientID = "12345"
    found = Dataset()
    found.SpecificCharacterSet = "ISO_IR 192"
    found.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    found.StudyInstanceUID = "1.2.3"
    found.StudyDate = "20250131"
    found.StudyTime = "101112"
    found.Modality = "CT"
    found.PatientName = "Müller^Ägidius"
    found.PatientID = "12345"
    found.PatientAge = "041Y"
    found.PatientWeight = "81.5"
    found.Rows = 512
    found.SmallestImagePixelValue = 77
    found.OtherPatientIDsSequence = Sequence([item])
    found.add_new(0x00090010, "LO", "SECRETS")
    found.add_new(0x00091001, "LO", "12345")
    found.add_new(0x7FE00010, "OW", b"\1\2\3\4")
    return found


def test_what_may_stay_stays_and_all_else_is_replaced() -> None:
    found = Disguise(KEY).dataset(made())
    assert found["00080060"]["Value"] == ["CT"]
    assert found["00280010"]["Value"] == [512]
    assert found["00080016"]["Value"] == ["1.2.840.10008.5.1.4.1.1.2"]
    assert found["00280106"]["Value"] == [0]
    assert found["00101030"]["Value"] == ["0"]
    assert found["7FE00010"] == {"vr": "OW", "zeros": 4}
    assert not {"00090010", "00091001"} & set(found)
    for secret in ("ller", "gidius", "12345", "041Y", "81.5", "1.2.3'", "20250131", "101112"):
        assert secret not in str(found)


def test_the_same_is_replaced_by_the_same_within_one_record_only() -> None:
    found = Disguise(KEY).dataset(made())
    inner = found["00101002"]["Value"][0]
    assert inner["00100020"] == found["00100020"]
    again = Disguise(KEY)
    assert again.uid("1.2.3") == found["0020000D"]["Value"][0]
    assert again.text("LO", "12345") == found["00100020"]["Value"][0]
    assert Disguise().uid("1.2.3") != again.uid("1.2.3")


def test_what_dicom_json_says_is_replaced_alike() -> None:
    disguise = Disguise(KEY)
    of_dataset = disguise.dataset(made())
    told = {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Ägidius"}]},
        "00100020": {"vr": "LO", "Value": ["12345"]},
        "00280010": {"vr": "US", "Value": [512]},
        "00101002": {"vr": "SQ", "Value": [{"00100020": {"vr": "LO", "Value": ["12345"]}}]},
        "00091001": {"vr": "LO", "Value": ["12345"]},
        "7FE00010": {"vr": "OW", "BulkDataURI": "https://x/1.2.3"},
        "error": "12345",
    }
    found = disguise.attributes(told)
    assert found["00100020"] == of_dataset["00100020"]
    assert found["00280010"] == of_dataset["00280010"]
    assert found["7FE00010"] == {"vr": "OW", "bulk": True}
    assert "12345" not in str(found)
    assert "1.2.3" not in str(found)


def test_days_keep_their_distance() -> None:
    disguise = Disguise(KEY)
    days = [disguise.text("DA", each) for each in ("20250131", "20250203")]
    first, second = (date(int(d[:4]), int(d[4:6]), int(d[6:])) for d in days)
    assert (second - first).days == 3
    assert disguise.text("DA", "20250131-20250203") == "-".join(days)
    assert disguise.text("DT", "20250131101112.5+0100") == days[0]
    assert disguise.text("DA", "20250131-") == f"{days[0]}-"


@pytest.mark.parametrize("vr", ["SH", "CS", "AE", "LO", "UT", "PN"])
def test_a_word_fits_its_vr_and_keeps_wild_cards(vr: str) -> None:
    found = Disguise(KEY).text(vr, "Miller*?")
    assert found.endswith("*?")
    assert "iller" not in found
    assert len(found) <= 16


@pytest.mark.parametrize("vr", ["UI", "DA", "TM", "LO", "AS", "DS", "PN"])
def test_nothing_stays_nothing(vr: str) -> None:
    assert Disguise(KEY).text(vr, " ") == ""
