import json

import pytest
from tests.contract import made

from hilum.codec import stow_answer, stow_response
from hilum.codec.dicom_json import dumps
from hilum.model import errors
from hilum.model.errors import HilumError
from hilum.model.outcome import Stored

UID = made.uid(1, 1, 1)
SENT = Stored(sop_class_uid=made.CT, sop_instance_uid=UID)
ROOT = "http://far/aets/A"


def module(**sequences: list[dict[str, object]]) -> bytes:
    tags = {"failed": "00081198", "kept": "00081199", "others": "0008119A"}
    return json.dumps(
        {tags[name]: {"vr": "SQ", "Value": items} for name, items in sequences.items()}
    ).encode()


def item(uid: str | None = UID, reason: int | None = None, **more: object) -> dict[str, object]:
    made_item: dict[str, object] = {} if uid is None else {"00081155": {"vr": "UI", "Value": [uid]}}
    if reason is not None:
        made_item["00081197"] = {"vr": "US", "Value": [reason]}
    return {**made_item, **more}


@pytest.mark.parametrize(
    "failure",
    [
        errors.Conflict("x"), errors.BadDataset("x"), errors.ClassRefused("x"),
        errors.SyntaxRefused("x"), errors.StudyMismatch("x"), errors.ClassMismatch("x"),
        errors.OutOfResources("x"), errors.BackendFault("x"),
    ],
)  # fmt: skip
def test_what_our_own_frontend_says_is_understood(failure: HilumError) -> None:
    body = dumps(
        stow_response.encode(
            [Stored(sop_class_uid=made.CT, sop_instance_uid=UID, failure=failure)], ROOT
        )
    )
    stored = stow_answer.judged(409, body, SENT)
    assert type(stored.failure) is type(failure)


def test_a_success_of_our_own_frontend_names_study_and_series() -> None:
    kept = Stored(
        sop_class_uid=made.CT, sop_instance_uid=UID,
        study_instance_uid=made.uid(1), series_instance_uid=made.uid(1, 1),
    )  # fmt: skip
    assert stow_answer.judged(200, dumps(stow_response.encode([kept], ROOT)), SENT) == kept


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (0x0110, errors.BackendFault), (0x0111, errors.Conflict), (0x0122, errors.ClassRefused),
        (0x0124, errors.CredentialsRefused), (0xA700, errors.OutOfResources),
        (0xA702, errors.OutOfResources), (0xA900, errors.ClassMismatch),
        (0xA901, errors.StudyMismatch), (0xB00E, errors.Conflict), (0xC000, errors.BadDataset),
        (0xC122, errors.SyntaxRefused), (0x9999, errors.BackendFault),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 202, 400, 409])
def test_a_failure_reason_is_translated_whatever_the_status(
    status: int, reason: int, kind: type[HilumError]
) -> None:
    stored = stow_answer.judged(status, module(failed=[item(reason=reason)]), SENT)
    assert type(stored.failure) is kind
    assert f"{reason:04X}" in str(stored.failure)


def test_a_failure_among_the_others_is_about_the_only_instance() -> None:
    stored = stow_answer.judged(409, module(others=[item(None, 0xC000)]), SENT)
    assert isinstance(stored.failure, errors.BadDataset)


def test_an_error_comment_of_the_far_side_is_not_repeated() -> None:
    comment = {"00000902": {"vr": "LO", "Value": ["Doe^Jane is a duplicate"]}}
    stored = stow_answer.judged(409, module(failed=[item(reason=0x0111, **comment)]), SENT)
    assert "Jane" not in str(stored.failure)


def test_a_warning_is_kept() -> None:
    warned = item(**{"00081196": {"vr": "US", "Value": [0xB000]}})
    stored = stow_answer.judged(202, module(kept=[warned]), SENT)
    assert stored.failure is None
    assert "B000" in stored.warnings[0]


@pytest.mark.parametrize("body", [b"", b"   ", b"OK", b"<html/>", b"\xff\xfe", b"{}", b"[]"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, None), (204, None), (400, errors.BadDataset), (401, errors.CredentialsRefused),
        (403, errors.CredentialsRefused), (404, errors.BackendFault), (405, errors.NotOffered),
        (409, errors.BackendFault), (413, errors.TooLarge), (415, errors.UnsupportedMedia),
        (429, errors.OutOfResources), (500, errors.BackendFault), (502, errors.BackendUnavailable),
        (503, errors.OutOfResources), (504, errors.BackendTimeout), (507, errors.OutOfResources),
    ],
)  # fmt: skip
def test_without_a_readable_body_the_status_speaks(
    status: int, kind: type[HilumError] | None, body: bytes
) -> None:
    failure = stow_answer.judged(status, body, SENT).failure
    assert failure is None if kind is None else type(failure) is kind


def test_an_acceptance_that_says_no_more_is_kept_with_a_warning() -> None:
    stored = stow_answer.judged(202, b"", SENT)
    assert stored.failure is None
    assert stored.warnings


@pytest.mark.parametrize(
    "body", [module(kept=[], failed=[]), b'{"00081198": {"vr": "SQ"}, "00081199": {"vr": "SQ"}}']
)
def test_a_success_that_names_nothing_is_none(body: bytes) -> None:
    assert isinstance(stow_answer.judged(200, body, SENT).failure, errors.BackendFault)


def test_a_success_under_another_name_is_told_of() -> None:
    stored = stow_answer.judged(200, module(kept=[item("1.2.3")]), SENT)
    assert stored.failure is None
    assert stored.warnings


def test_of_several_items_ours_is_found() -> None:
    items = [item("1.2.3", 0x0110), item(UID, 0x0122), item("1.2.4", 0x0110)]
    assert isinstance(
        stow_answer.judged(409, module(failed=items), SENT).failure, errors.ClassRefused
    )


XML = f"""<?xml version="1.0" encoding="utf-8"?>
<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">
 <DicomAttribute tag="00081198" vr="SQ" keyword="FailedSOPSequence"><Item number="1">
  <DicomAttribute tag="00081155" vr="UI"><Value number="1">{UID}</Value></DicomAttribute>
  <DicomAttribute tag="00081197" vr="US"><Value number="1">290</Value></DicomAttribute>
 </Item></DicomAttribute>
</NativeDicomModel>""".encode()


def test_xml_is_understood_from_those_who_speak_nothing_else() -> None:
    assert isinstance(stow_answer.judged(409, XML, SENT).failure, errors.ClassRefused)
    kept = XML.replace(b"00081198", b"00081199").replace(b"00081197", b"00081196")
    assert stow_answer.judged(200, kept, SENT).failure is None


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>', b"<", b"<a><b></a>",
        f'<!DOCTYPE x [<!ENTITY a "{UID}">]>{XML.decode()}'.encode("utf-16"),
        XML.replace(b"utf-8", b"F-8"), b"<NativeDicomModel>" + 5000 * b"<Item>",
        b'{"00081198": 7}', b'{"00081198": {"Value": 7}}', b'{"00081198": {"Value": [7]}}',
        b'{"00081198": {"Value": [{"00081197": {"Value": ["x"]}}]}}',
    ],
)  # fmt: skip
def test_malformed_answers_raise_nothing(body: bytes) -> None:
    assert stow_answer.judged(409, body, SENT).failure is not None
