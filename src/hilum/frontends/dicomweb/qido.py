"""How are the searches of QIDO-RS answered? (PS3.18 §10.6)."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from hilum.codec import qido
from hilum.core import wanted
from hilum.core.budget import Share
from hilum.core.operations import Find
from hilum.frontends.dicomweb.asked import Asked, asked, warning
from hilum.frontends.dicomweb.documents import Form, form
from hilum.frontends.dicomweb.json_array import resumed
from hilum.frontends.dicomweb.streamed import Answer, Headers, Streamed
from hilum.model.dictionary import vr_of
from hilum.model.errors import BadQuery
from hilum.model.identity import Level
from hilum.model.match import Match
from hilum.model.query import Query

LOOKAHEAD = 8 * 1024 * 1024
"""Bytes of matches held back until it is known whether more remains; fewer where many are asked."""
REMAINING = "There are additional results that can be requested"

_STUDY, _SERIES = 0x0020_000D, 0x0020_000E


def search(level: Level) -> Callable[[Request], Awaitable[Response]]:
    """The handler of the resource that lists studies, series or instances."""

    async def handler(request: Request) -> Response:
        """200 with `[]`, or 204 for XML, when nothing matches; a Warning when more remains."""
        about = asked(request)
        written = form(request)
        within = {_STUDY: about.ref.study, _SERIES: about.ref.series}
        search = qido.parse(
            level,
            request.query_params.multi_items(),
            {tag: uid for tag, uid in within.items() if uid is not None},
        )
        _checked(search.query)
        limit = search.query.limit
        if limit is None:
            limit = about.settings.query_limit
        headers = [warning(about.root, text) for text in search.warnings]
        query = replace(search.query, limit=limit)
        return Streamed(request, _Search(about, query, limit, written, headers).opened)

    return handler


def _checked(query: Query) -> None:
    """See that days and times are some, whoever will be asked: not every peer says that not.

    Raises:
        BadQuery: one is not.
    """
    for path, value in query.match.items():
        vr = vr_of(path[-1])
        if vr in {"DA", "TM", "DT"} and not wanted.is_universal(value, vr):
            try:
                wanted.parse(vr, value)
            except BadQuery as error:
                raise BadQuery(f"{qido.name_of(path)}: {error}") from None


@dataclass(frozen=True, slots=True)
class _Search:
    """One search, on its way to an answer.

    Attributes:
        limit: that of the query: the most matches to return.
    """

    asked: Asked
    query: Query
    limit: int
    form: Form
    headers: Headers

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Answer]:
        """The answer.

        Whether more remains must be said before the first match: so a page that is not too big
        is held back until it is complete, and one more was asked for. Of a big one, a second
        query asks for what comes after it.
        """
        matches, more, warnings = await self._page()
        if matches is not None:
            headers = self._headers(warnings, more=more)
            if not self.form.is_json and not matches:  # a multipart without parts is none
                yield Answer(204, headers, b"")
                return
            headers.append(("Content-Type", self.form.content_type))
            yield Answer(200, headers, await self.form.whole(matches))
            return
        more = await self._remains()
        async with (
            self.asked.broker.find(self._find(self.query)) as found,
            aclosing(self._written(found)) as objects,
            aclosing(self.form.written(objects)) as body,
        ):
            first = await anext(body)
            # What is found out later has no place any more: the page was too big to be held back.
            headers = self._headers(found.warnings, more=more)
            headers.append(("Content-Type", self.form.content_type))
            yield Answer(200, headers, resumed([first], body))

    async def _page(self) -> tuple[list[bytes] | None, bool, Sequence[str]]:
        """The whole page, None if it is too big; whether more remains; and what is to be said."""
        page: list[bytes] = []
        size = 0
        find = self._find(qido.one_more(self.query))
        async with self.asked.broker.find(find) as found:
            async for match in found:
                if len(page) == self.limit:
                    return page, True, found.warnings
                page.append(match.dicom_json(self.asked.root))
                size += len(page[-1])
                if size > min(LOOKAHEAD, Share().room):
                    return None, False, ()
            return page, False, found.warnings

    async def _remains(self) -> bool:
        after = replace(self.query, offset=self.query.offset + self.limit, limit=1)
        async with self.asked.broker.find(self._find(after)) as found:
            async for _ in found:
                return True
        return False

    async def _written(self, found: AsyncIterator[Match]) -> AsyncGenerator[bytes, None]:
        async for match in found:
            yield match.dicom_json(self.asked.root)

    def _find(self, query: Query) -> Find:
        return self.asked.operation(Find, query=query)

    def _headers(self, warnings: Sequence[str], *, more: bool) -> Headers:
        texts = [*warnings, *([REMAINING] if more else [])]
        return [*self.headers, *(warning(self.asked.root, text) for text in texts)]
