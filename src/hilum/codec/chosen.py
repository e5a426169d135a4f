"""What does a Send choose? The keys in its URL, read more strictly than those of a search."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from hilum.codec import qido
from hilum.model.errors import BadQuery
from hilum.model.identity import Level, Ref
from hilum.model.query import Query

MAX_MATCHES: Final = 10_000
"""Studies, series or instances in one Send; the names of all are kept until it has ended."""

_STUDY, _SERIES = 0x0020_000D, 0x0020_000E
_NO_KEYS = frozenset({"limit", "offset", "includefield"})
_ANYTHING = "*?\\-^= "  # what a value may be made of that matches whatever there is


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a Send sends.

    Attributes:
        query: finds it; its limit is one more than a Send takes.
        is_whole: it is all of the study or series in the path, which goes by its name: the query
            only tells whether there is anything.
    """

    query: Query
    is_whole: bool


def chosen(level: Level, within: Ref, parameters: Sequence[tuple[str, str]]) -> Chosen:
    """What is chosen.

    Stricter than a search, as what is sent by mistake cannot be called back: a parameter that
    would be ignored there is refused here.

    Args:
        level: of the resource.
        within: the study, or the series, in its path.
        parameters: of the URL, but for the destination.

    Raises:
        BadQuery: a parameter is unknown, malformed or not honoured, or nothing is chosen.
    """
    for name, value in parameters:
        if name.lower() in _NO_KEYS:
            raise BadQuery(f"{name} has no meaning in a Send, which sends all that matches")
        if not value.strip():
            raise BadQuery("a matching key has no value")
    keys = {_STUDY: within.study, _SERIES: within.series}
    named = {tag: uid for tag, uid in keys.items() if uid is not None}
    search = qido.parse(level, parameters, named)
    if search.warnings:
        raise BadQuery(search.warnings[0])
    if not any(value.strip(_ANYTHING) for value in search.query.match.values()):
        raise BadQuery("choose what to send: by a study in the path, or by a matching key")
    is_whole = set(search.query.match) == {(tag,) for tag in named}
    # Only what names a match, but for those of the levels above, is of use here.
    limit = 1 if is_whole else MAX_MATCHES + 1
    return Chosen(replace(search.query, include=frozenset(), limit=limit), is_whole)
