"""Which answers are in a page of a search? And where does the next one begin.

Where the answers always come in one order, the archive's, a page begins at a place in it: behind
the last of the page before, which is looked for again where others were removed. Else all are
looked at for each page, and it holds those that come next behind the last of the page before; so it
makes no difference what else was added or removed meanwhile.
"""

import heapq
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import orjson

from hilum.core.fhir.holds import Span, Token
from hilum.core.fhir.table import Row
from hilum.core.names import folded
from hilum.frontends.fhir.finding import Finding
from hilum.frontends.fhir.kinds import place
from hilum.model.errors import BadQuery

_AHEAD: Final = 200  # answers asked for at once, where some do not hold
_PLACE: Final = re.compile(r"o(\d{1,18})(?:\.([0-9A-Za-z.]{1,64}))?")


@dataclass(frozen=True, slots=True)
class Page:
    """Some answers.

    Attributes:
        cursor: where the next page begins; "": there is none.
        total: answers in all pages together; None: it is not known.
    """

    rows: list[Row]
    cursor: str = ""
    total: int | None = None


Sort = Sequence[tuple[str, bool]]
"""Parameters that answers are sorted by, and whether each goes down."""


async def page(finding: Finding, sort: Sort, count: int, cursor: str, *, total: bool) -> Page:
    """One page.

    Args:
        finding: the search.
        sort: in which order.
        count: the most answers in it.
        cursor: where it begins, as the page before said; "": it is the first.
        total: whether it must be known how many there are.

    Raises:
        BadQuery: the cursor is none of ours.
    """
    if finding.is_ordered and not sort:
        made = await _streamed(finding, count, cursor)
        if total and made.total is None:
            return Page(made.rows, made.cursor, await counted(finding))
        return made
    return await _sorted(finding, sort, count, _after(cursor, len(sort)))


async def counted(finding: Finding) -> int:
    """How many answers there are."""
    number = 0
    async with aclosing(finding.rows()) as rows:
        async for row in rows:
            number += row is not None
    return number


async def _streamed(finding: Finding, count: int, cursor: str) -> Page:
    """A page of the answers as they come."""
    found: list[Row] = []
    at, last = _offset(cursor)
    if last:
        at = await _behind(finding, at, last, count)
    offset, ends, step = at, at, count + 1
    while True:
        looked = 0
        async with aclosing(finding.rows(at, step)) as rows:
            async for row in rows:
                if row is not None and len(found) == count:
                    name = place(finding.searched, found[-1]) if found else ""
                    return Page(found, f"o{ends}.{name}" if name else f"o{at + looked}")
                if row is not None:
                    found.append(row)
                    ends = at + looked
                looked += 1
        at += looked
        if looked < step:
            return Page(found, total=len(found) if offset == 0 else None)
        step = max(step, _AHEAD)


async def _behind(finding: Finding, at: int, last: str, count: int) -> int:
    """Where a page begins: behind the last of the page before.

    It was at `at`, and is before that if others before it were removed. If it was removed itself,
    the page may have some of those again, rather than leave any out.
    """
    for start, end in ((at, at + 1), (max(at - _AHEAD, 0), at), (0, at)):
        number = start
        async with aclosing(finding.rows(start, end - start)) as rows:
            async for row in rows:
                number += 1
                if row is not None and place(finding.searched, row) == last:
                    return number
    return max(at + 1 - count, 0)


def _offset(cursor: str) -> tuple[int, str]:
    """A place in the order, and what stood there when it was the last of a page."""
    found = _PLACE.fullmatch(cursor or "o0")
    if found is None:
        raise BadQuery("that page is not known")
    return int(found[1]), found[2] or ""


class _Down(str):
    """A text that sorts the other way round."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)

    def __gt__(self, other: str) -> bool:
        return str.__lt__(self, other)


_Key = tuple[tuple[bool, str], ...]
"""By what an answer is sorted: for each parameter whether it lacks it, and what it says."""


async def _sorted(finding: Finding, sort: Sort, count: int, after: Sequence[str] | None) -> Page:
    """A page of the answers in order; no more of them are kept than are in it."""
    begin = None if after is None else _key(after[:-1], sort, after[-1])
    smallest: list[_Entry] = []
    number = 0
    async with aclosing(finding.rows()) as rows:
        async for row in rows:
            if row is None:
                continue
            number += 1
            said = [_said(finding, row, name) for name, _ in sort]
            last = place(finding.searched, row)
            key = _key(said, sort, last)
            if begin is not None and not begin < key:
                continue
            entry = _Entry(key, row, [*said, last])
            if len(smallest) <= count:
                heapq.heappush(smallest, entry)
            else:
                heapq.heappushpop(smallest, entry)
    entries = sorted(smallest, reverse=True)
    total = None if finding.found.is_cut else number
    if len(entries) <= count:
        return Page([each.row for each in entries], total=total)
    shown = entries[:count]
    return Page([each.row for each in shown], _cursor(shown[-1].said) if shown else "", total)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One answer in a heap whose first is the last of a page."""

    key: _Key
    row: Row
    said: list[str]

    def __lt__(self, other: "_Entry") -> bool:
        return other.key < self.key


def _key(said: Sequence[str], sort: Sort, last: str) -> _Key:
    """What is sorted by; answers that lack a value come last, whichever way it goes."""
    made = [
        (not value, _Down(value) if down else value)
        for value, (_, down) in zip(said, sort, strict=True)
    ]
    return (*made, (False, last))


def _said(finding: Finding, row: Row, name: str) -> str:
    """The value of an answer that it is sorted by."""
    order = finding.searched.table[name].order
    for each in () if order is None else order(row):
        match each:
            case Span():
                return each.low.isoformat()
            case Token():
                return each.value
            case str():
                return folded(each)
    return ""


def _cursor(said: Sequence[str]) -> str:
    return "k" + urlsafe_b64encode(orjson.dumps(said)).decode().rstrip("=")


def _after(cursor: str, count: int) -> list[str] | None:
    """The last answer of the page before.

    Raises:
        BadQuery: it is no cursor of a search that is sorted so.
    """
    if not cursor:
        return None
    try:
        padded = cursor[1:] + "=" * (-len(cursor[1:]) % 4)
        said = orjson.loads(urlsafe_b64decode(padded))
    except ValueError:
        said = None
    is_one = isinstance(said, list) and all(isinstance(each, str) for each in said)
    if cursor[0] != "k" or not is_one or len(said) != count + 1:
        raise BadQuery("that page is not known")
    return list(said)


def sliced(rows: list[Row], cursor: str, count: int) -> Page:
    """A page of answers that are all known.

    Raises:
        BadQuery: the cursor is none of ours.
    """
    at, _last = _offset(cursor)
    end = at + count
    return Page(rows[at:end], f"o{end}" if end < len(rows) else "", len(rows))
