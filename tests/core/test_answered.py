import json
from typing import Any

import pytest

from hilum.core.answered import Answered
from hilum.model.identity import Level

ROOT = "http://h/aets/A"
UIDS: dict[str, Any] = {
    "0020000E": {"vr": "UI", "Value": ["1.3"]},
    "0020000D": {"vr": "UI", "Value": ["1.2"]},
    "00080018": {"vr": "UI", "Value": ["1.4"]},
}


def shown(attributes: dict[str, Any], level: Level = Level.STUDY, root: str | None = ROOT) -> Any:
    return json.loads(Answered(attributes, level).dicom_json(root))


@pytest.mark.parametrize(
    ("level", "url"),
    [
        (Level.STUDY, "/studies/1.2"),
        (Level.SERIES, "/studies/1.2/series/1.3"),
        (Level.IMAGE, "/studies/1.2/series/1.3/instances/1.4"),
    ],
)
def test_it_is_retrieved_from_us(level: Level, url: str) -> None:
    theirs = {"00081190": {"vr": "UR", "Value": ["http://theirs"]}}
    assert shown({**UIDS, **theirs}, level)["00081190"]["Value"] == [ROOT + url]
    assert "00081190" not in shown({**UIDS, **theirs}, level, None)


def test_a_patient_and_what_does_not_tell_its_uids_have_no_url() -> None:
    assert "00081190" not in shown({"00100020": {"vr": "LO", "Value": ["7"]}}, Level.PATIENT)
    assert "00081190" not in shown({"00080018": UIDS["00080018"]}, Level.IMAGE)


def test_attributes_come_in_order() -> None:
    found = list(shown(UIDS))
    assert found == sorted(found)


def test_text_beyond_ascii_is_utf_8() -> None:
    name = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller"}]}}
    utf_8 = {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert shown({**UIDS, **name})["00080005"] == utf_8
    latin = {"00080005": {"vr": "CS", "Value": ["ISO_IR 100"]}}
    assert shown({**UIDS, **latin})["00080005"] == utf_8
    assert "00080005" not in shown(UIDS)


def test_references_to_the_far_side_are_left_out() -> None:
    bulk = {"vr": "OB", "BulkDataURI": "http://theirs/1"}
    icon = {"00880200": {"vr": "SQ", "Value": [{"7FE00010": bulk, "00280010": {"vr": "US"}}]}}
    found = shown({**UIDS, "7FE00010": bulk, **icon})
    assert "7FE00010" not in found
    assert found["00880200"]["Value"] == [{"00280010": {"vr": "US"}}]
