"""How is a FHIR server searched? Page after page, each read whole, within bounds."""

from collections.abc import Iterable, Sequence
from typing import Final

from hilum.codec.fhir import resources
from hilum.codec.fhir.resources import Page, local, said
from hilum.codec.fhir.search import Parameters, encoded
from hilum.codec.fhir.values import Element
from hilum.model.errors import BackendFault, BadQuery, BadRequest, Forbidden
from hilum.net.access import referred
from hilum.net.client import Accepts, Client

MAX_PAGE: Final = 32 * 1024 * 1024
"""Bytes of one page."""
_MAX_OUTCOME: Final = 64 * 1024  # bytes
_KINDS: Final = ("application/fhir+json", "application/json", "*/*")
_AT_ONCE: Final = 50  # resources asked for by their ids
_BAD: Final = frozenset({400, 422})
_ABSENT: Final = frozenset({400, 403, 404, 405, 410, 422})


class Pages:
    """A FHIR server, as it is searched."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._accepts = Accepts(_KINDS, gzip=True)

    def url(self, kind: str, parameters: Parameters) -> str:
        """Of a search."""
        return f"{self.client.root}/{kind}?{encoded(parameters)}"

    def following(self, page: Page, url: str) -> str:
        """URL of the page after one that was got from `url`; "" where it is the last.

        Raises:
            BackendFault: it leads to another server.
        """
        if not page.following:
            return ""
        found = referred(url, page.following)
        if not self.client.knows(found):
            raise BackendFault(f"{self.client.who} refers to another server for more")
        return found

    async def page(self, kind: str, url: str) -> Page:
        """The resources of a type that a search finds, and what comes with them.

        Raises:
            BadQuery: the server does not understand it.
            Forbidden, NotFound, NotOffered, TooLarge, OutOfResources, BackendError: as
                `Client.get`, or it answers something else.
        """
        async with self.client.get(url, self._accepts, expected=_BAD) as answer:
            if answer.status in _BAD:
                code = resources.issue(await answer.read(_MAX_OUTCOME))
                why = f" ({code})" if code else ""
                if code in {"forbidden", "security"}:
                    raise Forbidden(f"{self.client.who} does not allow this search")
                raise BadQuery(f"{self.client.who} does not understand the search{why}")
            try:
                return resources.page(await answer.read(MAX_PAGE), kind, self.client.root)
            except BadRequest as error:
                raise BackendFault(f"{self.client.who} did not answer in FHIR") from error

    async def of_ids(self, kind: str, references: Iterable[Element]) -> dict[str, Element]:
        """Resources that did not come with what refers to them, by `Patient/1`.

        Those that the server does not give are left out.

        Raises:
            OutOfResources, BackendError: the server fails.
        """
        names = {local(said(each, "reference"), self.client.root) for each in references}
        ids = sorted(
            each.removeprefix(f"{kind}/")
            for each in names
            if each.startswith(f"{kind}/") and "/" not in each.removeprefix(f"{kind}/")
        )
        found: dict[str, Element] = {}
        for at in range(0, len(ids), _AT_ONCE):
            some = ids[at : at + _AT_ONCE]
            found |= {f"{kind}/{said(e, 'id')}": e for e in await self._these(kind, some)}
        return found

    async def _these(self, kind: str, ids: Sequence[str]) -> list[Element]:
        url = self.url(kind, [("_id", ",".join(ids)), ("_count", str(len(ids)))])
        async with self.client.get(url, self._accepts, expected=_ABSENT) as answer:
            if answer.status in _ABSENT:
                return []
            try:
                return resources.page(await answer.read(MAX_PAGE), kind, self.client.root).matches
            except BadRequest as error:
                raise BackendFault(f"{self.client.who} did not answer in FHIR") from error
