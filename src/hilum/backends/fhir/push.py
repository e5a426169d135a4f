"""How does a resource get to a FHIR server? By conditional update, so that there is one of each."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final
from urllib.parse import quote

import orjson

from hilum.backends.fhir.pages import MAX_PAGE
from hilum.codec.fhir import resources
from hilum.codec.fhir.resources import said, within
from hilum.codec.fhir.values import Element
from hilum.core.work import Again, Never
from hilum.model.errors import BackendFault, BadRequest
from hilum.net.answer import Answer
from hilum.net.client import Accepts, Client
from hilum.net.refused import retry_after

FHIR_JSON: Final = "application/fhir+json"
_MAX_OUTCOME: Final = 64 * 1024  # bytes
_SUCCESS = range(200, 300)
_REFUSED = range(400, 500)
_ANY = frozenset(range(300, 600))
_LATER: Final = frozenset({408, 409, 412, 429})
"""What is no refusal for good, though it begins with 4: 412 says that several resources have the
identifier, or that somebody changed the one that was seen."""
_DOWN: Final = frozenset({401, 403, 407, 408, 429, 502, 503, 504})
"""What is not about the resource that was sent: it would be said of every other one too."""
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_ESCAPED = re.compile(r"([\\$,|])")


class Unsettled(Exception):
    """The server has not taken a resource; what is to be done about it."""

    def __init__(self, outcome: Again | Never) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Identified:
    """An identifier that one resource of a type has at the server, and no other."""

    system: str
    value: str

    @property
    def search(self) -> str:
        """The search that finds it."""
        token = "|".join(_ESCAPED.sub(r"\\\1", each) for each in (self.system, self.value))
        return f"identifier={quote(token, safe='')}"

    @property
    def element(self) -> Element:
        """As a resource has it."""
        return {"system": self.system, "value": self.value}


class Server:
    """A FHIR server that resources are brought to.

    All raise Unsettled where it does not take a resource, and BackendError where it does not
    answer, or something else.

    Args:
        client: of its root.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def put(self, resource: Element, by: Identified) -> None:
        """Create the one that has this identifier, or make it like this."""
        path = f"{resource['resourceType']}?{by.search}"
        async with self._asked("PUT", path, resource, {"Prefer": "return=minimal"}):
            pass

    async def update(self, resource: Element, by: Identified) -> str:
        """The same, and its id at the server."""
        path = f"{resource['resourceType']}?{by.search}"
        async with self._asked("PUT", path, resource, {}) as answer:
            return await self._named(answer, resource, by)

    async def create(self, resource: Element, by: Identified) -> str:
        """Create it, unless there is one that has this identifier; the id of either."""
        unless = {"If-None-Exist": by.search}
        async with self._asked("POST", resource["resourceType"], resource, unless) as answer:
            return await self._named(answer, resource, by)

    async def found(self, kind: str, by: Identified) -> list[Element]:
        """Those that have this identifier."""
        url = f"{self._client.root}/{kind}?{by.search}"
        accepts = Accepts((FHIR_JSON,))
        async with self._client.get(url, accepts, expected=_ANY, retries=0) as answer:
            if answer.status not in _SUCCESS:
                raise Unsettled(await _outcome(answer, self._client.who))
            try:
                page = resources.page(await answer.read(MAX_PAGE), kind, self._client.root)
            except BadRequest as error:
                raise BackendFault(f"{self._client.who} did not answer in FHIR") from error
        return [each for each in page.matches if _id(each)]

    async def change(self, resource: Element) -> None:
        """Change one that was found, unless somebody has done so meanwhile."""
        version = said(within(resource, "meta"), "versionId")
        unless = {"If-Match": f'W/"{version}"'} if version else {}
        path = f"{resource['resourceType']}/{_id(resource)}"
        async with self._asked("PUT", path, resource, unless):
            pass

    async def _named(self, answer: Answer, resource: Element, by: Identified) -> str:
        """The id of what was brought."""
        kind = resource["resourceType"]
        name = _located(answer, kind)
        if not name:
            body = _object(await answer.read(MAX_PAGE))
            name = _id(body) if said(body, "resourceType") == kind else ""
        if not name:  # it says nothing of it
            found = await self.found(kind, by)
            name = _id(found[0]) if len(found) == 1 else ""
        if not name:
            raise BackendFault(f"{self._client.who} does not say what became of a resource")
        return name

    @asynccontextmanager
    async def _asked(
        self, method: str, path: str, resource: Element, more: Mapping[str, str]
    ) -> AsyncIterator[Answer]:
        client = self._client
        headers = {"Content-Type": FHIR_JSON, "Accept": FHIR_JSON, **more}
        url, body = f"{client.root}/{path}", orjson.dumps(resource)
        async with client.post(url, headers, body, method=method, retries=0) as answer:
            if answer.status not in _SUCCESS:
                raise Unsettled(await _outcome(answer, client.who))
            yield answer


async def _outcome(answer: Answer, who: str) -> Again | Never:
    """What a status that is no success means; of the body only a code: it may name patients."""
    status = answer.status
    try:
        code = resources.issue(await answer.read(_MAX_OUTCOME))
    except BackendFault:
        code = ""
    reason = f"{who} answered {status}{f' ({code})' if code else ''}"
    is_down = status in _DOWN
    if status in _REFUSED and not is_down and status not in _LATER:
        return Never(reason)
    after = retry_after(answer.headers.get("retry-after", "")) or 0.0
    return Again(reason, after, is_down)


def _object(body: bytes) -> Element:
    """What a body says; nothing where it is no object of JSON."""
    try:
        found: Any = orjson.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _id(resource: Element) -> str:
    name = said(resource, "id")
    return name if _ID.fullmatch(name) else ""


def _located(answer: Answer, kind: str) -> str:
    """The id in Location (`…/Patient/1/_history/2`), where there is one."""
    for name in ("location", "content-location"):
        parts = str(answer.headers.get(name, "")).split("/")
        for above, found in pairwise(parts):
            if above == kind and _ID.fullmatch(found):
                return found
    return ""
