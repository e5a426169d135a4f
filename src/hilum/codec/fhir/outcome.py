"""How is an error, or a warning, written? As FHIR's OperationOutcome."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from hilum.codec.fhir.values import Element

_CODES: Final = {
    HTTPStatus.BAD_REQUEST: "invalid",
    HTTPStatus.UNAUTHORIZED: "login",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not-found",
    HTTPStatus.METHOD_NOT_ALLOWED: "not-supported",
    HTTPStatus.NOT_ACCEPTABLE: "not-supported",
    HTTPStatus.REQUEST_TIMEOUT: "timeout",
    HTTPStatus.CONFLICT: "conflict",
    HTTPStatus.PRECONDITION_FAILED: "conflict",
    HTTPStatus.UNPROCESSABLE_ENTITY: "business-rule",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too-costly",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "not-supported",
    HTTPStatus.TOO_MANY_REQUESTS: "throttled",
    HTTPStatus.NOT_IMPLEMENTED: "not-supported",
    HTTPStatus.BAD_GATEWAY: "transient",
    HTTPStatus.SERVICE_UNAVAILABLE: "transient",
    HTTPStatus.GATEWAY_TIMEOUT: "timeout",
}
"""What an HTTP status means in the words of FHIR's issue types."""


def failed(status: int, text: str) -> Element:
    """The outcome of a request that failed with that HTTP status."""
    code = _CODES.get(HTTPStatus(status), "exception")
    return _outcome([_issue("error", code, text)])


def warned(texts: Iterable[str]) -> Element:
    """What is to be said of an answer."""
    return _outcome([_issue("warning", "not-supported", each) for each in texts])


def _outcome(issues: list[Element]) -> Element:
    return {"resourceType": "OperationOutcome", "issue": issues}


def _issue(severity: str, code: str, text: str) -> Element:
    return {"severity": severity, "code": code, "diagnostics": text}
