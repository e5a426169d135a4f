"""What does a client want to be told? Its Subscription, read, and written without its secrets."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import orjson

from hilum.codec.fhir.times import instant
from hilum.codec.fhir.values import Element
from hilum.model.errors import BadQuery, BadRequest, Unprocessable

REST_HOOK: Final = "rest-hook"
PAYLOADS: Final = ("application/fhir+json", "application/json")
_KEPT: Final = ("reason", "contact", "end", "criteria")
_HEADER = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?)"
)
_OURS: Final = frozenset(
    (
        *("host", "connection", "content-length", "content-type", "transfer-encoding", "te"),
        *("upgrade", "trailer", "expect", "accept-encoding", "user-agent"),
    )
)
_MOST_HEADERS: Final = 20
_LONGEST: Final = 4096  # characters of a header, or of a URL
_STATUSES: Final = ("requested", "active", "error", "off")
_SAID: Final = "Subscription"


def read(body: bytes) -> Element:
    """A Subscription as a client sends it; well-formed as R4 has it.

    Raises:
        BadRequest: it is none.
    """
    try:
        found: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest("the body is no JSON") from error
    if not isinstance(found, dict) or found.get("resourceType") != _SAID:
        raise BadRequest("the body is no Subscription")
    # It takes half a second to import, and is needed by who subscribes only.
    from fhir.resources.R4B.subscription import Subscription  # noqa: PLC0415
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        Subscription.model_validate_json(body)
    except ValidationError as error:
        where = [".".join(map(str, each["loc"])) for each in error.errors(include_input=False)]
        said = ", ".join(dict.fromkeys(filter(None, where))) or "some elements"
        raise BadRequest(f"not a Subscription of R4: look at {said[:200]}") from None
    if found["status"] not in _STATUSES:  # which that model does not look at
        raise BadRequest(f"status: one of {', '.join(_STATUSES)}")
    return found


def said(found: Element) -> Element:
    """What is kept of it, but for its headers.

    Raises:
        Unprocessable: it asks for what is not done here.
    """
    channel = found["channel"]
    if channel.get("type") != REST_HOOK:
        raise Unprocessable("channel.type: only rest-hook is done here")
    payload = channel.get("payload")
    if payload is not None and payload.partition(";")[0].strip().lower() not in PAYLOADS:
        raise Unprocessable("channel.payload: application/fhir+json, or none")
    kept: Element = {name: found[name] for name in _KEPT if name in found}
    if "end" in kept and _end(kept["end"]) <= datetime.now(UTC):
        raise Unprocessable("end: is over")
    kept["channel"] = {"type": REST_HOOK, "endpoint": _endpoint(channel.get("endpoint"))}
    if payload is not None:
        kept["channel"]["payload"] = PAYLOADS[0]
    return kept


def _end(text: str) -> datetime:
    found: datetime | None = None
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
    if found is None or found.tzinfo is None:
        raise Unprocessable("end: a time with its offset from UTC is needed")
    return found


def _endpoint(url: str | None) -> str:
    if not url:
        raise Unprocessable("channel.endpoint: is missing")
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or len(url) > _LONGEST or not re.fullmatch(r"[\x21-\x7e]+", url):
        raise Unprocessable("channel.endpoint: is no URL")
    if parts.username is not None or parts.query or parts.fragment:
        raise Unprocessable("channel.endpoint: a URL without user, query and fragment is needed")
    return url.rstrip("/")


def headers(found: Element) -> tuple[str, ...]:
    """The headers that each notification shall have; they are secret, and in no text here.

    Raises:
        Unprocessable: they cannot be sent so.
    """
    listed = found["channel"].get("header", ())
    read = [_HEADER.fullmatch(each or "") for each in listed]
    if len(read) > _MOST_HEADERS or any(len(each or "") > _LONGEST for each in listed):
        raise Unprocessable("channel.header: too much")
    if not all(read):
        raise Unprocessable('channel.header: written like "Authorization: Bearer …", in ASCII')
    names = [each[1].lower() for each in read if each is not None]
    if _OURS.intersection(names) or len(names) != len(set(names)):
        raise Unprocessable("channel.header: one of them is ours to say, or said twice")
    return tuple(f"{each[1]}: {each[2]}" for each in read if each is not None)


def parameters(criteria: str) -> list[tuple[str, str]]:
    """What is asked of the studies.

    Raises:
        BadQuery: studies are not what it is about, or the query cannot be read.
    """
    kind, mark, query = criteria.partition("?")
    if kind != "ImagingStudy" or len(criteria) > _LONGEST:
        raise BadQuery("criteria: only ImagingStudy can be subscribed to: ImagingStudy?modality=CT")
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=50
        )
    except ValueError:
        raise BadQuery("criteria: the query cannot be read") from None
    if any(name.startswith("_") and name not in {"_id", "_lastUpdated"} for name, _ in pairs):
        raise BadQuery("criteria: what is said of the answer (_count, _sort) has no meaning here")
    return pairs if mark else []


def resource(  # noqa: PLR0913 - what it is made of
    kept: Element, *, name: str, version: int, changed: float, status: str, error: str
) -> Element:
    """The resource, without its headers."""
    made: Element = {
        "resourceType": _SAID,
        "id": name,
        "meta": {
            "versionId": str(version),
            "lastUpdated": instant(datetime.fromtimestamp(changed, UTC)),
        },
        "status": status,
        **kept,
    }
    return {**made, "error": error} if error else made
