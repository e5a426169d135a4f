from http import HTTPStatus

import pydicom
import pytest

from hilum.codec import stow_response
from hilum.model.errors import (
    BackendUnavailable,
    BadDataset,
    Conflict,
    HilumError,
    OutOfResources,
    StudyMismatch,
    UnsupportedMedia,
)
from hilum.model.outcome import Stored

ROOT = "http://host/aets/A"


def one(
    number: int,
    failure: HilumError | None = None,
    warnings: tuple[str, ...] = (),
    study: str = "1.2",
) -> Stored:
    return Stored(
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        sop_instance_uid=f"1.9.{number}",
        study_instance_uid=study,
        series_instance_uid="1.3",
        failure=failure,
        warnings=warnings,
    )


NAMELESS = Stored(sop_class_uid="", sop_instance_uid="", failure=BadDataset("not DICOM"))


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ([], 400),
        ([one(1), one(2)], 200),
        ([one(1), one(2, warnings=("odd",))], 202),
        ([one(1), one(2, Conflict("there"))], 202),
        ([one(1, Conflict("there")), NAMELESS], 409),
        ([NAMELESS], 409),
        ([one(1, StudyMismatch("other"))], 409),
        ([one(1, OutOfResources("full")), one(2, OutOfResources("full"))], 503),
        ([one(1, OutOfResources("full")), one(2, Conflict("there"))], 409),
        ([one(1, BackendUnavailable("down"))], 502),
        ([one(1, UnsupportedMedia("jpeg"))], 415),
    ],
)
def test_the_status_says_how_much_was_stored(stored: list[Stored], expected: int) -> None:
    assert stow_response.status(stored) == HTTPStatus(expected)


def test_each_instance_is_told_of() -> None:
    outcomes = [
        one(1),
        one(2, warnings=("bad \\ value",)),
        one(3, Conflict("another is kept")),
        NAMELESS,
    ]
    response = pydicom.Dataset.from_json(stow_response.encode(outcomes, ROOT))
    assert response.RetrieveURL == f"{ROOT}/studies/1.2"
    first, second = response.ReferencedSOPSequence
    assert first.ReferencedSOPInstanceUID == "1.9.1"
    assert first.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    assert first.RetrieveURL == f"{ROOT}/studies/1.2/series/1.3/instances/1.9.1"
    assert "WarningReason" not in first
    assert second.WarningReason == 0xB007
    assert second.ErrorComment == "bad / value"
    (failed,) = response.FailedSOPSequence
    assert failed.ReferencedSOPInstanceUID == "1.9.3"
    assert failed.FailureReason == 0x0111
    assert failed.ErrorComment == "another is kept"
    (other,) = response.OtherFailuresSequence
    assert other.FailureReason == 0xC000
    assert "ReferencedSOPInstanceUID" not in other


def test_empty_sequences_are_left_out() -> None:
    assert list(stow_response.encode([one(1)], ROOT)) == ["00081190", "00081199"]
    assert list(stow_response.encode([one(1, Conflict("x"))], ROOT)) == ["00081190", "00081198"]
    assert list(stow_response.encode([NAMELESS], ROOT)) == ["00081190", "0008119A"]


def test_no_study_url_when_there_are_several_studies() -> None:
    response = stow_response.encode([one(1), one(2, study="1.5")], ROOT)
    assert response["00081190"] == {"vr": "UR"}


def test_an_error_comment_fits_its_element() -> None:
    response = stow_response.encode([one(1, Conflict("x" * 100))], ROOT)
    assert response["00081198"]["Value"][0]["00000902"]["Value"] == ["x" * 64]
