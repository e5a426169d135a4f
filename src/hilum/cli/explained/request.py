"""What a request would ask of the broker: an HTTP request line, or the keys of a C-FIND."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, unquote, urlsplit

from hilum.cli.scu.asked import Asked
from hilum.cli.scu.ending import Misuse
from hilum.codec import identifier, qido
from hilum.codec.chosen import chosen
from hilum.config.schema import Settings
from hilum.model.errors import BadQuery
from hilum.model.identity import Level, Ref, is_uid
from hilum.model.query import Query

METHODS = ("GET", "HEAD", "POST", "DELETE")
_UID_TAGS = {"study": 0x0020_000D, "series": 0x0020_000E}
_LISTED = {"studies": Level.STUDY, "series": Level.SERIES, "instances": Level.IMAGE}
_STUDY = r"studies/(?P<study>[^/]+)"
_SERIES = rf"{_STUDY}/series/(?P<series>[^/]+)"
_INSTANCE = rf"{_SERIES}/instances/(?P<instance>[^/]+)"
_SEARCHES = (
    r"(?P<list>studies|series|instances)",
    rf"{_STUDY}/(?P<list>series|instances)",
    rf"{_SERIES}/(?P<list>instances)",
)
_TABLE = (
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
)
_PATHS = tuple((re.compile(pattern), operations) for pattern, operations in _TABLE)
"""Below a mount: what its resources are, by method; `frontends.dicomweb.resources` serves them."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Attributes:
        text: how it was put.
        mount: the AE title of the mount that is meant.
        operation: "find", "retrieve", "lend", "describe", "bulk", "store", "delete", "send", and
            what the broker answers by itself: "mount", "job", "sending".
        ref: what the path names.
        query: what is searched for.
        destination: of a Send.
        warnings: what the answer would say of it.
    """

    text: str
    mount: str
    operation: str
    ref: Ref = field(default_factory=Ref)
    query: Query | None = None
    destination: str = ""
    warnings: Sequence[str] = ()


def of_line(text: str, settings: Settings) -> Request:
    """Read an HTTP request line: `GET /aets/PACS/studies?PatientName=A*`.

    Raises:
        Misuse: it is none, or nobody serves it.
    """
    method, _, target = text.strip().partition(" ")
    if not target:
        method, target = "GET", method
    if method not in METHODS:
        raise Misuse(f'write it like "GET /aets/AET/studies?PatientName=A*": {method} is no method')
    parts = urlsplit(target.strip())
    mount, below = _mount(parts.path.removeprefix(settings.http.base_path), settings)
    operation, names = _resource("GET" if method == "HEAD" else method, below)
    ref = Ref(names.get("study"), names.get("series"), names.get("instance"))
    parameters = parse_qsl(parts.query, keep_blank_values=True)
    if below == "wado":
        ref = Ref(*(dict(parameters).get(each) for each in ("studyUID", "seriesUID", "objectUID")))
    destination = ""
    if operation == "send":
        destination = dict(parameters).get("destination", "")
        if not destination:
            raise Misuse("a Send names its destination: ?destination=AET")
        parameters = [each for each in parameters if each[0] != "destination"]
    if operation not in {"find", "send"}:
        return Request(text, mount, operation, ref)
    level = _LISTED[names["list"]]
    try:
        if operation == "send":
            choice = chosen(level, ref, parameters)
            return Request(text, mount, operation, ref, choice.query, destination)
        within = {tag: names[name] for name, tag in _UID_TAGS.items() if name in names}
        search = qido.parse(level, parameters, within)
    except BadQuery as error:
        raise Misuse(str(error)) from None
    limit = search.query.limit
    if limit is None:
        limit = settings.http.query_limit
    query = replace(search.query, limit=limit)
    return Request(text, mount, operation, ref, query, warnings=search.warnings)


def of_keys(asked: Asked, mount: str | None, settings: Settings, *, relational: bool) -> Request:
    """The C-FIND that a peer would ask with these keys.

    Raises:
        Misuse: it would be refused, or there is no such mount.
    """
    title = mount if mount is not None else settings.default_mount
    if title is None:
        raise Misuse("there is no default mount: name one with --mount")
    said = identifier.Identifier(asked.level, asked.keys, ())
    try:
        query = identifier.to_query(said, patient_root=asked.patient_root, relational=relational)
    except BadQuery as error:
        raise Misuse(str(error)) from None
    text = f"C-FIND at {asked.level.value} level"
    return Request(text, known(title, settings), "find", query=query)


def known(title: str, settings: Settings) -> str:
    """The mount that an AE title means.

    Raises:
        Misuse: there is none.
    """
    if title in settings.mounts:
        return title
    if title == settings.server.aet and settings.default_mount is not None:
        return settings.default_mount
    raise Misuse(f"no mount has the AE title {title}{nearest(title, settings.mounts)}")


def nearest(name: str, names: Iterable[str]) -> str:
    """The name that was perhaps meant, as the end of an error."""
    by_lower = {each.lower(): each for each in names}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return f"; did you mean {by_lower[found[0]]}?" if found else ""


def _mount(path: str, settings: Settings) -> tuple[str, str]:
    """The mount that a path begins with, and what comes below it."""
    parts = [unquote(each) for each in path.strip("/").split("/")]
    if parts[0] == "dicomweb":
        if settings.default_mount is None:
            raise Misuse("there is no default mount behind /dicomweb: use /aets/AET")
        return settings.default_mount, "/".join(parts[1:])
    if parts[0] == "aets" and len(parts) > 1:
        return known(parts[1], settings), "/".join(parts[2:])
    raise Misuse("the path begins with /aets/AET or /dicomweb")


def _resource(method: str, path: str) -> tuple[str, dict[str, str]]:
    """The operation that a method means below a mount, and what its path names."""
    allowed: set[str] = set()
    for pattern, operations in _PATHS:
        found = pattern.fullmatch(path)
        if found is None:
            continue
        names = {name: value for name, value in found.groupdict().items() if value is not None}
        for name in ("study", "series", "instance"):
            if name in names and not is_uid(names[name]):
                raise Misuse(f"the {name} in the path is no UID")
        if method in operations:
            return operations[method], names
        allowed |= operations.keys()
    if allowed:
        raise Misuse(f"{method} is not allowed there: {', '.join(sorted(allowed))}")
    raise Misuse("there is no such resource below a mount")
