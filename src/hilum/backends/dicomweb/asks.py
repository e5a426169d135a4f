"""How is a question put to an origin server? As QIDO-RS, page after page (PS3.18 §10.6)."""

from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from hilum.backends.dicomweb.resources import Search, loosened, searches
from hilum.codec import dicom_json, media_type
from hilum.codec.dicom_json import Attributes
from hilum.codec.json_stream import JsonStream
from hilum.codec.media_type import DICOM_JSON, JSON
from hilum.core.backend import Abilities, Replies
from hilum.core.matching import Verdict, verdict
from hilum.model.errors import BackendFault, BadDataset, BadQuery, BadRequest, NotOffered
from hilum.model.identity import Level
from hilum.model.query import Query
from hilum.net.answer import Answer
from hilum.net.client import Accepts, Client

MAX_MATCH: Final = 16 * 1024 * 1024
"""Bytes of one match."""
MAX_PAGE: Final = 5000
"""Matches that are asked for at once, where the caller says how many it wants."""

_LEVELS = frozenset({Level.STUDY, Level.SERIES, Level.IMAGE})
_KEYS: Final = {  # what two matches of a level have in common only if they are the same
    Level.STUDY: ("0020000D",),
    Level.SERIES: ("0020000D", "0020000E"),
    Level.IMAGE: ("00080018",),
}
_LEAST_ROUND = 25  # the least number of matches at which a server may have cut off
_ROUND = frozenset(2**power for power in range(6, 20))
_RETRIEVE_URL = "00081190"
_NOT_JSON = ("html", "xml", "multipart", "image")
_ABSENT = frozenset({404, 405, 501})
_BAD = 400
_EXPECTED = _ABSENT | {_BAD, 410}


def json_accepts() -> Accepts:
    """How DICOM JSON is asked for: some know only the plain kind."""
    return Accepts((DICOM_JSON, JSON, "*/*"), gzip=True)


class Asking:
    """Implements `core.backend.Asks` by a client for queries."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.accepts = json_accepts()
        self._relational = True

    async def abilities(self) -> Abilities:
        """Everything but patients; across levels until the server turned out not to."""
        return Abilities(_LEVELS, self._relational)

    def told(self, query: Query, /) -> Sequence[str]:
        """The URLs of the first page of each search."""
        size = _size(query)
        return [f"GET {self.client.root}{each.page(size, 0)}" for each in searches(query)]

    @asynccontextmanager
    async def ask(self, query: Query, /) -> AsyncIterator[Replies]:
        """See `core.backend.Asks`; leaving the block ends the connection with the answer.

        `query.limit` and `offset` only say how much of it is asked for at once.
        """
        async with AsyncExitStack() as stack:
            replies = _Replies(self, query, stack)
            await replies.begin()
            yield replies

    def begins(self, search: Search) -> None:
        """Raise `NotOffered` for what the server turned out not to have."""
        if search.relational and not self._relational:
            raise _not_relational()

    async def absent(self, search: Search, status: int) -> None:
        """Whether a resource is missing, or only what was looked for; returns for the latter.

        Raises:
            NotOffered: the server has no search across levels.
            BadQuery: it does not understand the query.
            BackendFault: it has no search at all.
        """
        if search.relational:
            if status == _BAD:
                # A key that it does not like must not teach us that the resource is missing.
                missing = await self._status(f"{search.resource}?limit=1") in {_BAD, *_ABSENT}
            elif search.within and status not in {405, 501}:
                # No such study, or no such resource?
                study = search.within["0020000D"]
                missing = await self._status(f"/studies/{study}/series?limit=1") == 200  # noqa: PLR2004 - found
            else:
                missing = True
            if missing:
                self._relational = False
                raise _not_relational()
        if status == _BAD:
            raise BadQuery(f"{self.client.who} does not understand the query")
        if status in {405, 501}:
            raise NotOffered(f"{self.client.who} offers no search")
        if not search.within:
            raise BackendFault(f"{self.client.who} has no {search.resource}: check its URL")

    async def _status(self, resource: str) -> int:
        url = self.client.root + resource
        async with self.client.get(url, self.accepts, expected=_EXPECTED) as answer:
            return answer.status


def _not_relational() -> NotOffered:
    return NotOffered("the origin server has no search across levels")


def _size(query: Query) -> int | None:
    """Matches to ask for at once; None: all that there are."""
    return None if query.limit is None else min(max(query.limit + query.offset, 1), MAX_PAGE)


class _Replies:
    """See `core.backend.Replies`.

    Attributes:
        keys_ignored: always True, as QIDO-RS has no way to say that a key was not honoured.
        is_fuzzy: always True, for the same reason.
        unreadable: always 0, as an answer that cannot be read is an error.
        is_cut: always False: what a page leaves out is asked for.
    """

    keys_ignored = True
    is_fuzzy = True
    unreadable = 0
    is_cut = False

    def __init__(self, asking: Asking, query: Query, stack: AsyncExitStack) -> None:
        self._asking = asking
        self._client = asking.client
        self._stack = stack
        self._searches = deque(searches(query))
        self._keys = _KEYS[query.level]
        self._size = _size(query)
        self.is_fuzzy = query.fuzzy
        self.unreadable = 0
        self._ready: deque[Attributes] = deque()
        self._answer: Answer | None = None
        self._objects = JsonStream(MAX_MATCH)
        self._seen: set[int] = set()
        self._got = 0  # matches of the search at hand
        self._new = 0  # on this page, not seen before
        self._page = 0  # matches on this page
        self._asked_for = query
        self._checks: dict[str, str] = {}  # of answers to a looser question than was meant
        self._is_loose = False

    def __aiter__(self) -> AsyncIterator[Attributes]:
        return self

    async def __anext__(self) -> Attributes:
        while not self._ready:
            if self._answer is None:
                raise StopAsyncIteration
            await self._read()
        return self._ready.popleft()

    async def begin(self) -> None:
        """Ask for the next page that there is; once more and loosely, where there is nothing."""
        await self._begin()
        if self._answer is None and not self._seen and not self._is_loose:
            self._is_loose = True
            loose = loosened(self._asked_for)
            if loose is not None:
                self._checks = {
                    f"{path[0]:08X}": value
                    for path, value in self._asked_for.match.items()
                    if loose.match[path] != value
                }
                self._searches = deque(searches(loose))
                await self._begin()

    async def _begin(self) -> None:
        while self._searches and self._answer is None:
            search = self._searches[0]
            self._asking.begins(search)
            answer = await self._asked(search)
            if answer.status < 300:  # noqa: PLR2004 - success
                _check(answer, self._client.who)
                self._page = self._new = 0
                self._objects = JsonStream(MAX_MATCH)
                self._answer = answer
                self.is_fuzzy = self.is_fuzzy and "fuzzy" not in _warnings(answer)
                return
            await self._stack.aclose()
            if self._got == 0:  # a page after the last is no fault
                await self._asking.absent(search, answer.status)
            self._next_search()

    async def _asked(self, search: Search) -> Answer:
        url = self._client.root + search.page(self._size, self._got)
        got = self._client.get(url, self._asking.accepts, expected=_EXPECTED)
        answer = await self._stack.enter_async_context(got)
        if answer.status == _BAD and self._size is not None and self._got == 0:
            await self._stack.aclose()  # perhaps that is more than it gives at once
            self._size = None
            return await self._asked(search)
        return answer

    def _next_search(self) -> None:
        self._searches.popleft()
        self._got = 0

    async def _read(self) -> None:
        """Some more of the page at hand, or the next page."""
        answer = self._answer
        assert answer is not None  # noqa: S101 - for the type; only called so
        try:
            piece = await anext(answer, None)
            if piece is not None:
                self._ready.extend(self._fresh(self._objects.feed(piece)))
                return
            self._objects.close()
        except BadRequest as error:
            raise BackendFault(f"{self._client.who} did not answer in DICOM JSON") from error
        await self._stack.aclose()
        self._answer = None
        if self.unreadable and self.unreadable == self._page:
            raise BackendFault(f"{self._client.who} did not answer in the DICOM JSON Model")
        if not self._new or not _goes_on(answer, self._page, self._size):
            self._next_search()
        await self.begin()

    def _fresh(self, objects: Iterator[bytes]) -> Iterator[Attributes]:
        """Those that were not on a page before, as some servers do not know `offset`."""
        within = self._searches[0].within
        for text in objects:
            self._page += 1
            self._got += 1
            try:
                attributes: dict[str, Any] = dicom_json.loads(text)
            except BadDataset:
                self.unreadable += 1
                continue
            attributes.pop(_RETRIEVE_URL, None)  # the server's own, and not ours
            for tag, uid in within.items():  # settled by the path, so that some leave them out
                if not attributes.get(tag, {}).get("Value"):
                    attributes[tag] = {"vr": "UI", "Value": [uid]}
            if not all(
                verdict(attributes.get(tag), tag, value) is Verdict.HOLDS
                for tag, value in self._checks.items()
            ):
                continue
            uids = tuple(text_of(attributes, tag) for tag in self._keys)
            if not all(uids):
                yield attributes
            elif hash(uids) not in self._seen:
                self._seen.add(hash(uids))
                self._new += 1
                yield attributes


def _check(answer: Answer, who: str) -> None:
    kind = media_type.parse(answer.kind).kind
    if answer.status != 204 and any(each in kind for each in _NOT_JSON):  # noqa: PLR2004 - no content
        raise BackendFault(f"{who} did not answer in DICOM JSON but in {kind[:60]}")


def _goes_on(answer: Answer, page: int, size: int | None) -> bool:
    """Whether more may be behind this page.

    Some servers say so, by a Warning (PS3.18 §8.3.4.4) or by the status 206; others cut off
    silently at their own limit, which is a round number.
    """
    said = _warnings(answer)
    if answer.status == 206 or ("299" in said and ("additional" in said or "more" in said)):  # noqa: PLR2004 - partial
        return True
    return page == size or page in _ROUND or (page >= _LEAST_ROUND and page % _LEAST_ROUND == 0)


def _warnings(answer: Answer) -> str:
    return " ".join(answer.headers.get_list("warning")).lower()


async def all_of(asking: Asking, query: Query, most: int) -> list[Attributes]:
    """Every answer to a question of our own.

    Raises:
        BackendFault: there are more than `most`.
        NotOffered, BadQuery, OutOfResources, BackendError: as `Asking.ask`.
    """
    found: list[Attributes] = []
    async with asking.ask(query) as replies:
        async for each in replies:
            found.append(each)
            if len(found) > most:
                raise BackendFault(f"the answer has more than {most} matches")
    return found


def text_of(attributes: Attributes, tag: str) -> str:
    """The first value of an attribute that is text; "" where there is none."""
    values = attributes.get(tag, {}).get("Value")
    first = values[0] if isinstance(values, list) and values else ""
    return first.strip() if isinstance(first, str) else ""
