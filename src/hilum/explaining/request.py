"""What a request would ask of the broker: an HTTP request line, or the keys of a C-FIND."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from hilum.codec import identifier, qido
from hilum.codec.by_hand import Asked
from hilum.codec.chosen import chosen
from hilum.config.schema import Settings
from hilum.explaining.served import (
    ADMIN,
    DIMSE,
    HTTP,
    METHODS,
    NEEDS,
    OF_A_MOUNT,
    OF_ADMINISTRATORS,
    OF_THE_SERVICE,
    Served,
    knows,
    served,
)
from hilum.model.errors import BadRequest
from hilum.model.identity import Level, Ref
from hilum.model.principal import Right
from hilum.model.query import Query

_UID_TAGS: Final = {"study": 0x0020_000D, "series": 0x0020_000E}
_LISTED: Final = {"studies": Level.STUDY, "series": Level.SERIES, "instances": Level.IMAGE}
_HOW: Final = 'write it like "GET /aets/AET/studies?PatientName=A*"'


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Attributes:
        text: how it was put.
        mount: the AE title of the mount that is meant; "" for none.
        operation: "find", "retrieve", "lend", "describe", "bulk", "store", "delete", "send",
            FHIR's "search" and "read", and what the broker answers by itself (`served.OURS`).
        door: that takes it: "http", "admin" or "dimse".
        ref: what the path names.
        query: what is searched for.
        destination: of a Send.
        warnings: what the answer would say of it.
        kind: type of a FHIR resource.
        name: the id of a FHIR resource.
        parameters: of a FHIR search.
    """

    text: str
    mount: str
    operation: str
    door: str = HTTP
    ref: Ref = field(default_factory=Ref)
    query: Query | None = None
    destination: str = ""
    warnings: Sequence[str] = ()
    kind: str = ""
    name: str = ""
    parameters: Sequence[tuple[str, str]] = ()

    @property
    def needs(self) -> frozenset[Right]:
        """Rights of which it needs one; of none: it is for everybody."""
        return NEEDS[self.operation]


def of_line(text: str, settings: Settings) -> Request:
    """Read an HTTP request line: `GET /aets/PACS/studies?PatientName=A*`.

    Raises:
        BadRequest: it is none, or nobody serves it.
    """
    method, _, target = text.strip().partition(" ")
    if not target:
        method, target = "GET", method
    if method not in METHODS:
        raise BadRequest(f"{_HOW}: {method[:20]} is no method")
    try:
        parts = urlsplit(target.strip().removesuffix(" HTTP/1.1"))
        port = parts.port
    except ValueError:
        raise BadRequest(f"{_HOW}: that is no URL") from None
    path = _below(parts, settings.http.base_path)
    own = _below(parts, settings.admin.base_path)
    if settings.admin.enabled and port == settings.admin.port != settings.http.port:
        return Request(text, "", served(method, own, OF_ADMINISTRATORS).operation, ADMIN)
    if knows(path, OF_THE_SERVICE):
        found = served(method, path, OF_THE_SERVICE)
        mount = _default("/wado", settings) if found.operation == "retrieve" else ""
        return _of_mount(Request(text, mount, found.operation), found, parts, settings)
    first = path.partition("/")[0]
    if first not in {"aets", "dicomweb", "fhir"} and knows(own, OF_ADMINISTRATORS):
        return Request(text, "", served(method, own, OF_ADMINISTRATORS).operation, ADMIN)
    mount, below = _mount(path, settings)
    found = served(method, below, OF_A_MOUNT)
    return _of_mount(Request(text, mount, found.operation), found, parts, settings)


def _below(parts: SplitResult, base: str) -> str:
    """The path below that of a door, without a slash at its beginning."""
    path = parts.path
    inside = path == base or path.startswith(f"{base}/")
    return (path[len(base) :] if inside else path).removeprefix("/")


def _of_mount(request: Request, found: Served, parts: SplitResult, settings: Settings) -> Request:
    """The same with what its path and parameters say."""
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    names, ref = (
        found.names,
        Ref(*(found.names.get(each) for each in ("study", "series", "instance"))),
    )
    if parts.path.endswith("/wado"):
        ref = Ref(*(dict(parameters).get(each) for each in ("studyUID", "seriesUID", "objectUID")))
    request = replace(request, ref=ref)
    match found.operation:
        case "find":
            return _found(request, names, parameters, settings)
        case "send":
            return _sent(request, names, parameters)
        case "search" | "read":
            said = replace(request, kind=names["type"], parameters=parameters)
            return replace(said, name=names.get("id", ""))
    return request


def _found(
    request: Request,
    names: Mapping[str, str],
    parameters: list[tuple[str, str]],
    settings: Settings,
) -> Request:
    within = {tag: names[name] for name, tag in _UID_TAGS.items() if name in names}
    search = qido.parse(_LISTED[names["list"]], parameters, within)
    limit = search.query.limit
    query = replace(search.query, limit=settings.http.query_limit if limit is None else limit)
    return replace(request, query=query, warnings=search.warnings)


def _sent(request: Request, names: Mapping[str, str], parameters: list[tuple[str, str]]) -> Request:
    destination = dict(parameters).get("destination", "")
    if not destination:
        raise BadRequest("a Send names its destination: ?destination=AET")
    keys = [each for each in parameters if each[0] != "destination"]
    choice = chosen(_LISTED[names["list"]], request.ref, keys)
    return replace(request, query=choice.query, destination=destination)


def of_keys(asked: Asked, mount: str | None, settings: Settings, *, relational: bool) -> Request:
    """The C-FIND that a peer would ask with these keys.

    Raises:
        BadRequest: it would be refused, or there is no such mount.
    """
    title = mount or settings.default_mount
    if title is None:
        raise BadRequest("there is no default mount: name one with --mount")
    said = identifier.Identifier(asked.level, asked.keys, ())
    query = identifier.to_query(said, patient_root=asked.patient_root, relational=relational)
    text = f"C-FIND at {asked.level.value} level"
    return Request(text, known(title, settings), "find", DIMSE, query=query)


def known(title: str, settings: Settings) -> str:
    """The mount that an AE title means.

    Raises:
        BadRequest: there is none.
    """
    if title in settings.mounts:
        return title
    if title == settings.server.aet and settings.default_mount is not None:
        return settings.default_mount
    raise BadRequest(f"no mount has the AE title {title[:64]}{nearest(title, settings.mounts)}")


def nearest(name: str, names: Iterable[str]) -> str:
    """The name that was perhaps meant, as the end of an error."""
    by_lower = {each.lower(): each for each in names}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return f"; did you mean {by_lower[found[0]]}?" if found else ""


def _mount(path: str, settings: Settings) -> tuple[str, str]:
    """The mount that a path begins with, and what comes below it."""
    first, *rest = [unquote(each) for each in path.strip("/").split("/")]
    match first:
        case "dicomweb":
            return _default("/dicomweb", settings), "/".join(rest)
        case "fhir":
            return _default("/fhir", settings), "/".join([first, *rest])
        case "aets" if rest:
            return known(rest[0], settings), "/".join(rest[1:])
    raise BadRequest("there is no such resource: those of mounts begin with /aets/AET or /dicomweb")


def _default(path: str, settings: Settings) -> str:
    if settings.default_mount is None:
        raise BadRequest(f"there is no default mount behind {path}: use /aets/AET")
    return settings.default_mount
