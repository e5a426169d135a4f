"""Which resources are there? What each method does with them, and who may do that.

The doors serve them by tables of their own, which begin with their handlers; tests hold these to
those, and to the OpenAPI description.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hilum.model.errors import BadRequest
from hilum.model.identity import is_uid
from hilum.model.principal import Right

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
HTTP, ADMIN, DIMSE = "http", "admin", "dimse"
"""The doors, as their tables are called in the configuration."""
ANY: Final = frozenset(Right) - {Right.METRICS}
"""Whoever may do anything at all."""
EVERYBODY: Final[frozenset[Right]] = frozenset()

NEEDS: Final[Mapping[str, frozenset[Right]]] = {
    "mount": frozenset((Right.ECHO,)),
    "find": frozenset((Right.QUERY,)),
    **dict.fromkeys(("retrieve", "describe", "bulk", "lend", "job"), frozenset((Right.RETRIEVE,))),
    "delete": frozenset((Right.DELETE,)),
    "store": frozenset((Right.STORE,)),
    **dict.fromkeys(("send", "sending"), frozenset((Right.SEND,))),
    **dict.fromkeys(("search", "read"), frozenset((Right.QUERY,))),
    "subscription": frozenset((Right.SUBSCRIBE,)),
    **dict.fromkeys(("mounts", "statement", "capabilities"), ANY),
    "health": frozenset((Right.ECHO,)),
    "metrics": frozenset((Right.METRICS, Right.ADMIN)),
    "administration": frozenset((Right.ADMIN,)),
    **dict.fromkeys(
        ("alive", "ready", "page", "viewer", "login", "description", "options"), EVERYBODY
    ),
}
"""Rights of which an operation needs one; of none: it is for everybody."""

OURS: Final[Mapping[str, str]] = {
    "mount": "the broker says itself what the mount offers, and asks whether it lives",
    "job": "the broker says itself how far a retrieval is",
    "sending": "the broker says itself how far a Send is",
    "subscription": "the broker keeps subscriptions itself, and tells whoever subscribed of changes"
    " at the servers of fhir.subscriptions.allow",
    "mounts": "the broker lists the mounts at which the caller may do anything",
    "statement": "the broker says itself what FHIR offers at the mount",
    "capabilities": "the broker says itself what can be done there (PS3.18 §8.9)",
    "options": "the broker says itself what can be done there (PS3.18 §8.9)",
    "health": "each mount that the caller may ask so is asked whether it lives",
    "metrics": "what was counted, for Prometheus: of each mount, peer and operation",
    "administration": "a page for administrators; GET looks, POST changes",
    "alive": "it answers as long as the process does",
    "ready": "what is ours is looked at: disk, databases, archives; no system elsewhere is asked",
    "page": "a page or file of the broker; what it shows is asked for by further requests",
    "viewer": "a file of the viewer, where one is installed; images are further requests",
    "login": "a browser logs in or out; auth.browser says by whom, else by a token",
    "description": "the broker describes its own resources (OpenAPI)",
}
"""Operations that the broker answers by itself."""

_STUDY = r"studies/(?P<study>[^/]+)"
_SERIES = rf"{_STUDY}/series/(?P<series>[^/]+)"
_INSTANCE = rf"{_SERIES}/instances/(?P<instance>[^/]+)"
_SEARCHES: Final = (
    r"(?P<list>studies|series|instances)",
    rf"{_STUDY}/(?P<list>series|instances)",
    rf"{_SERIES}/(?P<list>instances)",
)
_TYPE = "(?P<type>ImagingStudy|Patient|Endpoint)"

_OF_A_MOUNT: Final = (
    ("", {"GET": "mount"}),
    ("studies", {"POST": "store"}),
    (_STUDY, {"GET": "retrieve", "POST": "store", "DELETE": "delete"}),
    *((each, {"GET": "retrieve", "DELETE": "delete"}) for each in (_SERIES, _INSTANCE)),
    ("wado", {"GET": "retrieve"}),
    (f"{_INSTANCE}/(pixeldata|frames/[^/]+(/rendered|/thumbnail)?)", {"GET": "lend"}),
    *((f"{each}/(rendered|thumbnail)", {"GET": "lend"}) for each in (_STUDY, _SERIES, _INSTANCE)),
    *((f"{each}/metadata", {"GET": "describe"}) for each in (_STUDY, _SERIES, _INSTANCE)),
    (f"{_INSTANCE}/bulkdata/.+", {"GET": "bulk"}),
    ("jobs/[^/]+", {"GET": "job", "DELETE": "job"}),
    *((each, {"GET": "find"}) for each in _SEARCHES),
    *(
        (f"{each}/send-requests/[^/]+", {"POST": "send", "GET": "sending", "DELETE": "sending"})
        for each in _SEARCHES
    ),
    ("fhir/metadata", {"GET": "statement"}),
    (f"fhir/{_TYPE}", {"GET": "search"}),
    (f"fhir/{_TYPE}/_search", {"POST": "search"}),
    (f"fhir/{_TYPE}/(?P<id>(?!_)[^/]+)", {"GET": "read"}),
    ("fhir/Subscription", {"GET": "subscription", "POST": "subscription"}),
    ("fhir/Subscription/_search", {"POST": "subscription"}),
    (
        "fhir/Subscription/(?!_)[^/]+",
        dict.fromkeys(("GET", "PUT", "DELETE"), "subscription"),
    ),
)
_LOGINS: Final = (
    ("login", {"GET": "login", "POST": "login"}),
    ("login/(provider|code)", {"GET": "login"}),
    ("logout", {"POST": "login"}),
)
_OF_THE_SERVICE: Final = (
    ("", {"GET": "page"}),
    ("ui/[^/]+", {"GET": "page"}),
    *_LOGINS,
    (r"openapi\.(yaml|json)", {"GET": "description"}),
    ("wado", {"GET": "retrieve"}),
    ("aets", {"GET": "mounts"}),
    ("health", {"GET": "health"}),
    ("livez", {"GET": "alive"}),
    ("readyz", {"GET": "ready"}),
    ("viewer(/.*)?", {"GET": "viewer"}),
)
_OF_ADMINISTRATORS: Final = (
    ("", {"GET": "administration"}),
    ("echo", {"POST": "administration"}),
    (
        "queue|tokens|config|explain|probe",
        {"GET": "administration", "POST": "administration"},
    ),
    ("ui/[^/]+", {"GET": "page"}),
    *_LOGINS,
    ("metrics", {"GET": "metrics"}),
    ("livez", {"GET": "alive"}),
    ("readyz", {"GET": "ready"}),
)

Table = Sequence[tuple[re.Pattern[str], Mapping[str, str]]]


def _compiled(rows: Sequence[tuple[str, Mapping[str, str]]], options: str) -> Table:
    """With what goes with every resource: HEAD where there is GET, and at one door OPTIONS."""
    return [
        (
            re.compile(pattern),
            {
                **methods,
                **({"HEAD": methods["GET"]} if "GET" in methods else {}),
                **({"OPTIONS": options} if options else {}),
            },
        )
        for pattern, methods in rows
    ]


OF_A_MOUNT: Final = _compiled(_OF_A_MOUNT, "capabilities")
"""Below a mount; FHIR's too."""
OF_THE_SERVICE: Final = _compiled(_OF_THE_SERVICE, "options")
OF_ADMINISTRATORS: Final = _compiled(_OF_ADMINISTRATORS, "")


@dataclass(frozen=True, slots=True)
class Served:
    """What a method does with a path, and what the path names."""

    operation: str
    names: Mapping[str, str] = field(default_factory=dict)


def served(method: str, path: str, table: Table) -> Served:
    """What becomes of a request.

    Args:
        method: of HTTP.
        path: without a slash at its beginning.
        table: the resources.

    Raises:
        BadRequest: there is no such resource, or not by that method, or what it names is no UID.
    """
    allowed: set[str] = set()
    for found, operations in _found(path, table):
        names = {name: value for name, value in found.groupdict().items() if value is not None}
        for name in ("study", "series", "instance"):
            if name in names and not is_uid(names[name]):
                raise BadRequest(f"the {name} in the path is no UID")
        if method in operations:
            return Served(operations[method], names)
        allowed |= operations.keys()
    if allowed:
        raise BadRequest(f"{method} is not allowed there: {', '.join(sorted(allowed))}")
    raise BadRequest("there is no such resource")


def knows(path: str, table: Table) -> bool:
    """Whether there is such a resource."""
    return any(True for _ in _found(path, table))


def _found(path: str, table: Table) -> Iterator[tuple[re.Match[str], Mapping[str, str]]]:
    for pattern, operations in table:
        found = pattern.fullmatch(path)
        if found is not None:
            yield found, operations
