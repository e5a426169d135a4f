from typing import Any

import pytest

from hilum.core.levels import UNIQUE
from hilum.core.plan import merged
from hilum.core.sift import Remarks, Sift, fill, named, value_of
from hilum.model.identity import Level

UID, NAME, DESCRIPTION, MODALITIES = "0020000D", (0x00100010,), (0x00081030,), (0x00080061,)
REQUEST = 0x00400275


def study(uid: str = "1.2", **attributes: Any) -> dict[str, Any]:
    return {UID: {"vr": "UI", "Value": [uid]}, **attributes}


def sift(*checks: Any) -> tuple[Sift, Remarks]:
    remarks = Remarks()
    return Sift(checks, merged(Level.STUDY), remarks), remarks


def test_what_contradicts_a_key_is_dropped() -> None:
    sieve, remarks = sift((DESCRIPTION, "CHEST"))
    assert not sieve.take(study(**{"00081030": {"vr": "LO", "Value": ["HEAD"]}}), ignored=True)
    assert sieve.take(study(**{"00081030": {"vr": "LO", "Value": ["CHEST "]}}), ignored=True)
    assert remarks.warnings == []


@pytest.mark.parametrize(("ignored", "taken"), [(True, True), (False, False)])
def test_an_empty_value_counts_where_the_far_side_honours_keys(
    *, ignored: bool, taken: bool
) -> None:
    sieve, remarks = sift((DESCRIPTION, "CHEST"))
    assert sieve.take(study(**{"00081030": {"vr": "LO"}}), ignored=ignored) is taken
    assert remarks.unmatched == ({DESCRIPTION} if taken else set())


def test_what_is_not_told_is_said_once_and_only_of_answers_that_are_given() -> None:
    sieve, remarks = sift((DESCRIPTION, "CHEST"), (NAME, "A*"))
    other = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "B"}]}}
    assert not sieve.take(study("1", **other), ignored=False)
    assert remarks.warnings == []
    for uid in ("2", "3"):
        assert sieve.take(study(uid), ignored=False)
    assert len(remarks.warnings) == 2
    assert remarks.unmatched == {DESCRIPTION, NAME}


def test_an_answer_that_comes_twice_is_given_once() -> None:
    sieve, _ = sift()
    assert sieve.take(study(), ignored=False)
    assert not sieve.take(study(), ignored=False)


def test_patients_without_an_id_are_not_one() -> None:
    sieve = Sift((), merged(Level.PATIENT), Remarks())
    for _ in range(2):
        assert sieve.take({"00100020": {"vr": "LO"}}, ignored=False)
    assert not sieve.take({}, ignored=False)


def test_what_is_of_the_message_is_taken_out() -> None:
    sieve, _ = sift()
    answer = study(**{"00080052": {"vr": "CS", "Value": ["STUDY"]}})
    assert sieve.take(answer, ignored=False)
    assert list(answer) == [UID]


def test_modalities_can_be_judged_later() -> None:
    sieve, _ = sift((MODALITIES, "CT"), (DESCRIPTION, "CHEST"))
    chest = {"00081030": {"vr": "LO", "Value": ["CHEST"]}}
    assert sieve.may_pass(study(**chest), ignored=False)
    assert not sieve.may_pass(study(**{"00081030": {"vr": "LO", "Value": ["x"]}}), ignored=False)
    answer = study(**chest, **{"00080061": {"vr": "CS", "Value": ["MR"]}})
    assert not sieve.take(answer, ignored=False)


def test_keys_in_one_sequence_must_hold_in_one_item() -> None:
    sieve, remarks = sift(((REQUEST, 0x00401001), "R1"), ((REQUEST, 0x00400009), "S1"))

    def items(*pairs: tuple[str, str]) -> dict[str, Any]:
        return {
            "00400275": {
                "vr": "SQ",
                "Value": [
                    {
                        "00401001": {"vr": "SH", "Value": [procedure]},
                        "00400009": {"vr": "SH", "Value": [step]},
                    }
                    for procedure, step in pairs
                ],
            }
        }

    assert sieve.take(study("1", **items(("R2", "S2"), ("R1", "S1"))), ignored=False)
    assert not sieve.take(study("2", **items(("R1", "S2"), ("R2", "S1"))), ignored=False)
    assert remarks.warnings == []
    assert sieve.take(
        study("3", **{"00400275": {"vr": "SQ", "Value": [{"00080050": {"vr": "SH"}}]}}),
        ignored=False,
    )
    assert len(remarks.unmatched) == 2


def test_what_is_known_is_filled_in_where_it_is_not_told() -> None:
    answer = study(**{"00100020": {"vr": "LO"}})
    fill(answer, {"00100020": {"vr": "LO", "Value": ["7"]}, UID: {"vr": "UI", "Value": ["9"]}})
    assert value_of(answer, "00100020") == "7"
    assert value_of(answer, UID) == "1.2"


def test_paths_are_named_by_keywords() -> None:
    assert named((REQUEST, 0x00091010)) == "RequestAttributesSequence.00091010"
    assert named((UNIQUE[Level.STUDY],)) == "StudyInstanceUID"
