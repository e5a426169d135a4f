"""How is the outcome of a STOW-RS request told? (PS3.18 §10.5.3 and Annex I)."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from hilum.codec.verdict import Dimse, verdict_on
from hilum.model.errors import HilumError, OutOfResources, Refused, TooLarge, UnsupportedMedia
from hilum.model.identity import is_uid
from hilum.model.outcome import Stored

_COMMENT = 64  # characters, Error Comment (0000,0902) is an LO
_SPEAK_FOR_ALL = (OutOfResources, Refused, TooLarge, UnsupportedMedia)

Attributes = dict[str, Any]


def status(stored: Sequence[Stored]) -> HTTPStatus:
    """The status of the whole request, PS3.18 Table 10.5.3-1.

    Where nothing was stored and every instance failed for one and the same reason that is not
    about the instances, that reason's own status: so a client knows that trying again helps.
    """
    failures = [each.failure for each in stored if each.failure is not None]
    if not stored:
        return HTTPStatus.BAD_REQUEST
    if not failures:
        warned = any(each.warnings for each in stored)
        return HTTPStatus.ACCEPTED if warned else HTTPStatus.OK
    if len(failures) < len(stored):
        return HTTPStatus.ACCEPTED
    verdicts = {verdict_on(failure).http for failure in failures}
    if len(verdicts) == 1 and (
        isinstance(failures[0], _SPEAK_FOR_ALL) or verdicts.pop() >= HTTPStatus.BAD_GATEWAY
    ):
        return verdict_on(failures[0]).http
    return HTTPStatus.CONFLICT


def encode(stored: Sequence[Stored], retrieve_root: str) -> Attributes:
    """The Store Instances Response Module (PS3.18 §I.1) in the DICOM JSON Model.

    Sequences that would be empty are left out ("required if one or more …"). A failure whose
    SOP Instance is not known stands in the Other Failures Sequence (0008,119A). Why an instance
    failed or was warned about is also said in words, in Error Comment (0000,0902).

    Args:
        stored: what became of each instance.
        retrieve_root: base URL of the mount, without a slash at its end.
    """
    kept = [each for each in stored if each.failure is None]
    failed = [each for each in stored if each.failure is not None and _named(each)]
    others = [each for each in stored if each.failure is not None and not _named(each)]
    response: Attributes = {"00081190": _url(_study(kept, retrieve_root))}
    if failed:
        response["00081198"] = _sequence([_failed(each) for each in failed])
    if kept:
        response["00081199"] = _sequence([_kept(each, retrieve_root) for each in kept])
    if others:
        response["0008119A"] = _sequence([_failure(each.failure) for each in others])
    return dict(sorted(response.items()))


def _named(stored: Stored) -> bool:
    return is_uid(stored.sop_instance_uid) and is_uid(stored.sop_class_uid)


def _study(kept: Sequence[Stored], root: str) -> str:
    """The URL of the study that all instances went to; "" when they are of several."""
    studies = {each.study_instance_uid for each in kept}
    if len(studies) != 1:
        return ""
    study = studies.pop()
    return f"{root}/studies/{study}" if study else ""


def _reference(stored: Stored) -> Attributes:
    return {
        "00081150": {"vr": "UI", "Value": [stored.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [stored.sop_instance_uid]},
    }


def _kept(stored: Stored, root: str) -> Attributes:
    item = _reference(stored)
    study, series = stored.study_instance_uid, stored.series_instance_uid
    url = f"{root}/studies/{study}/series/{series}/instances/{stored.sop_instance_uid}"
    item["00081190"] = _url(url if study and series else "")
    if stored.warnings:
        # Nothing was coerced (B000) or discarded (B006): it is kept as it came, faults and all.
        item["00081196"] = {"vr": "US", "Value": [int(Dimse.DATASET_DIFFERS_FROM_CLASS)]}
        item = {"00000902": _comment(stored.warnings[0]), **item}
    return item


def _failed(stored: Stored) -> Attributes:
    return dict(sorted({**_reference(stored), **_failure(stored.failure)}.items()))


def _failure(failure: HilumError | None) -> Attributes:
    reason = verdict_on(failure or HilumError()).reason
    return {
        "00000902": _comment(str(failure)),
        "00081197": {"vr": "US", "Value": [int(reason)]},
    }


def _comment(text: str) -> Attributes:
    short = text.replace("\\", "/")[:_COMMENT].strip()
    return {"vr": "LO", "Value": [short]} if short else {"vr": "LO"}


def _url(url: str) -> Attributes:
    return {"vr": "UR", "Value": [url]} if url else {"vr": "UR"}


def _sequence(items: Sequence[Mapping[str, Any]]) -> Attributes:
    return {"vr": "SQ", "Value": list(items)}
