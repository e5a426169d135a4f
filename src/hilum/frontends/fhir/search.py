"""How is a search answered? `GET` and `POST …/_search` of Patient, ImagingStudy and Endpoint."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from hilum.codec import media_type
from hilum.codec.fhir import bundle, outcome
from hilum.codec.fhir.parameters import CURSOR, Search, parse
from hilum.codec.fhir.values import Element
from hilum.core.fhir.table import Known, Row
from hilum.frontends.dicomweb.streamed import Answer, Streamed
from hilum.frontends.fhir import errors, subscriptions
from hilum.frontends.fhir.asked import About, about
from hilum.frontends.fhir.finding import finding
from hilum.frontends.fhir.given import Resources, shown
from hilum.frontends.fhir.kinds import (
    ENDPOINTS,
    PATIENTS,
    STUDIES,
    SUBSCRIPTIONS,
    Searched,
    offered,
)
from hilum.frontends.fhir.pages import Page, counted, page, sliced
from hilum.frontends.later import Handler
from hilum.model.errors import BadRequest, TooLarge, UnsupportedMedia

_FORM = "application/x-www-form-urlencoded"
_MAX_FORM = 1024 * 1024  # bytes
_MOST_FIELDS = 100

_ALL = (STUDIES, PATIENTS, ENDPOINTS, SUBSCRIPTIONS)


def of_type(kind: str) -> Handler:
    """The handler of the searches for one type of resources."""
    searched = next(each for each in _ALL if each.type == kind)

    async def handler(request: Request) -> Response:
        """200 with a Bundle, also where nothing matches."""
        asked = about(request)
        pairs = [*request.query_params.multi_items()]
        if request.method == "POST":
            pairs += await _form(request)
        strict = _is_strict(request)
        said = parse(pairs, offered(asked, searched), strict=strict)
        held = await _held(request, asked, searched) if searched.level is None else []
        answer = _Answering(asked, searched, said, strict, held)
        return Streamed(request, answer.opened, errors.answer)

    return handler


async def _held(request: Request, asked: About, searched: Searched) -> list[Row]:
    """The resources that are not looked for, as they are ours."""
    if searched is SUBSCRIPTIONS:
        return await subscriptions.rows(request, asked)
    return [
        Row(each, asked.systems, lambda resource, _systems: dict(resource))
        for each in asked.endpoints()
    ]


def _is_strict(request: Request) -> bool:
    """What the client prefers (R4 §3.1.1.4, `Prefer: handling=strict`)."""
    said = ",".join(request.headers.getlist("prefer")).replace(";", ",").split(",")
    return "handling=strict" in {each.replace(" ", "").replace('"', "").lower() for each in said}


async def _form(request: Request) -> list[tuple[str, str]]:
    """The parameters in the body.

    Raises:
        UnsupportedMedia: it is no form.
        TooLarge, BadRequest: it is too long, or malformed.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_FORM:
            raise TooLarge(f"a search has at most {_MAX_FORM} bytes")
    if not body:
        return []
    if media_type.parse(request.headers.get("content-type", "")).kind != _FORM:
        raise UnsupportedMedia(f"a search is posted as {_FORM}")
    try:
        return parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError as error:
        raise BadRequest("the body is no form in UTF-8") from error


@dataclass(frozen=True, slots=True)
class _Answering:
    """One search, on its way to an answer."""

    about: About
    searched: Searched
    search: Search
    strict: bool
    held: list[Row]

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Answer]:
        """The answer."""
        headers = [("Content-Type", self.about.kind), ("Vary", "Accept, Prefer")]
        yield Answer(200, headers, self.about.written(await self._bundle()))

    async def _bundle(self) -> Element:
        search, resources = self.search, Resources(self.about)
        warnings = [*search.problems]
        if self.searched.level is None:
            found = self._of_held()
        else:
            run = await finding(self.about, self.searched, search, strict=self.strict)
            if self._only_counts:
                total = await counted(run)
                found = Page([], total=None if run.found.is_cut else total)
            else:
                is_total = search.total in {"accurate", "estimate"}
                found = await page(run, search.sort, self._count, search.cursor, total=is_total)
            warnings += run.found.warnings
            if run.found.is_cut:
                most = self.about.fhir.settings.max_answers
                warnings.append(f"Only the first {most} answers were looked at: narrow the search.")
        entries = await self._entries(found.rows, resources, warnings)
        total_said = None if search.total == "none" and not self._only_counts else found.total
        return bundle.searchset(self._links(found.cursor), entries, total_said)

    @property
    def _only_counts(self) -> bool:
        return self.search.summary == "count" or self.search.count == 0

    @property
    def _count(self) -> int:
        settings = self.about.fhir.settings
        wanted = settings.page if self.search.count is None else self.search.count
        return min(wanted, settings.max_page)

    def _of_held(self) -> Page:
        """Those that hold all that is asked for: there are few."""
        known = Known(self.about.root)
        checks = [
            check(each, known)
            for each in self.search.conditions
            if (check := self.searched.table[each.name].check) is not None
        ]
        found = [row for row in self.held if all(check(row) for check in checks)]
        for name, down in reversed(self.search.sort):
            key = "id" if name == "_id" else name
            found.sort(key=lambda row, key=key: row.resource[key], reverse=down)  # type: ignore[misc] # mypy cannot infer it
        if self._only_counts:
            return Page([], total=len(found))
        return sliced(found, self.search.cursor, self._count)

    async def _entries(
        self, rows: Sequence[Row], resources: Resources, warnings: list[str]
    ) -> list[Element]:
        search, root = self.search, self.about.root
        whole = search.summary in {"false", "data"} and not search.elements
        is_wanted = any(each.split(".")[0] == "series" for each in search.elements)
        made = await resources.of(self.searched, rows, below=whole or is_wanted)
        matches = [bundle.entry(root, self._shown(each), "match") for each in made]
        beside = await resources.beside(rows, made, search.include, search.revinclude)
        warnings += beside.warnings
        matches += [bundle.entry(root, each, "include") for each in beside.resources]
        if warnings:
            matches.append(bundle.entry(root, outcome.warned(warnings), "outcome"))
        return matches

    def _shown(self, resource: Element) -> Element:
        return shown(resource, self.search)

    def _links(self, cursor: str) -> Iterator[tuple[str, str]]:
        base, used = f"{self.about.root}/{self.searched.type}", self.search.used
        here = [(CURSOR, self.search.cursor)] if self.search.cursor else []
        yield "self", bundle.link(base, [*used, *here])
        yield "first", bundle.link(base, used)
        if cursor:
            yield "next", bundle.link(base, [*used, (CURSOR, cursor)])
