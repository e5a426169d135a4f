"""Which URL stands for a query, or for what it finds? (PS3.18 Tables 10.1.1-1 and 10.3-1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, urlencode

from hilum.codec import qido
from hilum.model.dictionary import vr_of
from hilum.model.errors import NotOffered
from hilum.model.identity import Level, Ref
from hilum.model.query import Path, Query

MAX_URL: Final = 6000
"""Characters of a URL; lists of UIDs that would make it longer are asked for in parts. Many servers
take 8 KiB of a request line."""

_PLAIN: Final = "*,^?="
"""Characters of values that go out as they are: browsers do not escape them either."""
_WITH_WILDCARDS: Final = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"})

STUDY, SERIES, INSTANCE = (0x0020_000D,), (0x0020_000E,), (0x0008_0018,)
_NAMES: Final = {Level.STUDY: "studies", Level.SERIES: "series", Level.IMAGE: "instances"}
_ABOVE: Final[Mapping[Level, Sequence[Path]]] = {
    Level.STUDY: (),
    Level.SERIES: (STUDY,),
    Level.IMAGE: (STUDY, SERIES),
}


@dataclass(frozen=True, slots=True)
class Search:
    """A resource to search, and what to ask of it.

    Attributes:
        resource: its URL below the root, such as `/studies/1.2/series`.
        query: the parameters, encoded.
        within: the unique keys that the resource has settled, by tag in eight digits.
        relational: the resource is one that a server need not have: it leaves out a level.
    """

    resource: str
    query: str
    within: Mapping[str, str]
    relational: bool

    def page(self, limit: int | None, offset: int) -> str:
        """The URL below the root of one page of the answer."""
        parts = [self.query] if self.query else []
        parts += [f"limit={limit}"] if limit is not None else []
        parts += [f"offset={offset}"] if offset else []
        return self.resource + ("?" + "&".join(parts) if parts else "")


def searches(query: Query) -> list[Search]:
    """What to search for all answers to `query`: one after another, without common answers.

    Single UIDs of the levels above go into the path; `limit` and `offset` are left out.

    Raises:
        NotOffered: there is no such resource for patients.
    """
    if query.level not in _NAMES:
        raise NotOffered("DICOMweb has no search for patients")
    path, within = "", {}
    rest = dict(query.match)
    for key in _ABOVE[query.level]:
        if not _is_single(rest.get(key, "")):
            break  # a series without its study has no path either
        uid = rest.pop(key)
        level = Level.STUDY if key == STUDY else Level.SERIES
        path += f"/{_NAMES[level]}/{quote(uid, safe='')}"
        within[f"{key[0]:08X}"] = uid
    resource = f"{path}/{_NAMES[query.level]}"
    relational = len(within) < len(_ABOVE[query.level])
    return [
        Search(resource, _parameters(each), within, relational)
        for each in _parted(replace(query, match=rest, limit=None, offset=0))
    ]


def _is_single(uid: str) -> bool:
    return bool(uid) and not any(each in uid for each in "\\*?")


def _parameters(query: Query) -> str:
    if query.include_all:
        query = replace(query, include=frozenset())  # "all" stands alone (PS3.18 §8.3.4.3)
    return urlencode(qido.encode(query), quote_via=quote, safe=_PLAIN)


def loosened(query: Query) -> Query | None:
    """The same query with wild cards for what a URL escapes; None where nothing is escaped.

    For servers that do not undo the escapes, and so find nothing (Orthanc 1.10 is one). What they
    then find has still to be held against `query`.
    """
    match = dict(query.match)
    for path, value in query.match.items():
        if len(path) == 1 and vr_of(path[0]).partition(" ")[0] in _WITH_WILDCARDS:
            match[path] = "\\".join(_with_wildcards(each) for each in value.split("\\"))
    return None if match == query.match else replace(query, match=match)


def _with_wildcards(value: str) -> str:
    """A value with wild cards for what is escaped.

    Orthanc keeps names without their letters beyond ASCII, so that a "?" has nothing to stand
    for there; a "*" has, but must not be all that remains: that would ask for everything.
    """
    is_telling = any(each.isalnum() and _is_plain(each) for each in value)
    wild = "*" if is_telling else "?"
    return "".join(each if _is_plain(each) else wild for each in value)


def _is_plain(character: str) -> bool:
    return quote(character, safe=_PLAIN) == character


def _parted(query: Query) -> list[Query]:
    """The same query as several, where a list of UIDs makes it too long for one URL."""
    if len(_parameters(query)) <= MAX_URL:
        return [query]
    lists = [path for path, value in query.match.items() if "\\" in value and _is_uid(path)]
    longest = max(lists, key=lambda path: len(query.match[path]), default=None)
    if longest is None:
        return [query]
    uids = list(dict.fromkeys(query.match[longest].split("\\")))
    half = len(uids) // 2
    if not half:
        return [query]
    return [
        part
        for some in (uids[:half], uids[half:])
        for part in _parted(replace(query, match={**query.match, longest: "\\".join(some)}))
    ]


def _is_uid(path: Path) -> bool:
    return vr_of(path[-1]) == "UI"


def of_ref(ref: Ref) -> str:
    """The URL below the root of a study, a series or an instance, whose keys are all there."""
    path = f"/studies/{quote(ref.study or '', safe='')}"
    if ref.series is not None:
        path += f"/series/{quote(ref.series, safe='')}"
    if ref.instance is not None:
        path += f"/instances/{quote(ref.instance, safe='')}"
    return path


def is_whole(ref: Ref) -> bool:
    """Whether `ref` has the keys that its resource needs."""
    if ref.study is None:
        return False
    return ref.instance is None or ref.series is not None
