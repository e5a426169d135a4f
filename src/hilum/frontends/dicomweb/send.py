"""How is something sent elsewhere, and how is that told of? (Supplement 248, provisional)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from hilum.codec import send_status
from hilum.codec.chosen import MAX_MATCHES, Chosen, chosen
from hilum.core.jobs import BackgroundSends
from hilum.core.operations import Come, Find, Send
from hilum.core.transactions import Transaction
from hilum.frontends.dicomweb import documents
from hilum.frontends.dicomweb.asked import Asked, asked, one_of
from hilum.frontends.dicomweb.streamed import Unanswered
from hilum.model.errors import (
    BackendFault,
    BadQuery,
    BadRequest,
    NotFound,
    NotOffered,
    TooLarge,
    UnsupportedMedia,
)
from hilum.model.identity import Level, Ref, is_uid
from hilum.model.match import Match
from hilum.model.principal import Right

RETRY_AFTER: Final = 5
"""Seconds that a client shall wait before it asks again how far a Send is."""

_STUDY, _SERIES, _INSTANCE = 0x0020_000D, 0x0020_000E, 0x0008_0018
_UIDS = {
    Level.STUDY: (_STUDY,),
    Level.SERIES: (_STUDY, _SERIES),
    Level.IMAGE: (_STUDY, _SERIES, _INSTANCE),
}
_NAMES = {Level.STUDY: "studies", Level.SERIES: "series", Level.IMAGE: "instances"}

Handler = Callable[[Request], Awaitable[Response]]


def begin(level: Level) -> Handler:
    """The handler of POST below a resource that lists studies, series or instances."""

    async def handler(request: Request) -> Response:
        """Send what matches to `destination`.

        202 once it is recorded; 400 malformed, nothing chosen, or a key that is not honoured;
        404 no such destination, or nothing matches; 409 the UID is in use; 413 too much matches.
        """
        about = _addressed(request, level)
        kind = one_of(request, documents.ONE)
        try:
            await _without_payload(request)
        except ClientDisconnect:
            return Unanswered()
        parameters = request.query_params.multi_items()
        destination = _destination(parameters)
        keys = [pair for pair in parameters if pair[0].lower() != "destination"]
        choice = chosen(level, about.asked.ref, keys)
        operation = about.asked.operation(Send, refs=(), destination=destination)
        await about.sends.check(about.uid, operation)
        operation = replace(operation, refs=await _refs(about, choice))
        return about.answer(await about.begun(operation), 202, kind)

    return handler


def status(level: Level) -> Handler:
    """The handler of GET: how far a Send is."""

    async def handler(request: Request) -> Response:
        """200 with counts and what failed; 404 when there is none of that UID, or no longer."""
        about = _addressed(request, level)
        kind = one_of(request, documents.ONE)
        return about.answer(await about.found(), 200, kind)

    return handler


def stop(level: Level) -> Handler:
    """The handler of DELETE, an extension: give a Send up."""

    async def handler(request: Request) -> Response:
        """200 once it has stopped, 202 when it is about to; 404 as GET; 409 it has ended."""
        about = _addressed(request, level)
        kind = one_of(request, documents.ONE)
        await about.found()
        stopped = await about.sends.stop(about.uid)
        return about.answer(stopped, 200 if stopped.sending.state.is_final else 202, kind)

    return handler


@dataclass(frozen=True, slots=True)
class _Addressed:
    """What the path of a request names.

    Attributes:
        level: what the search resource lists.
        uid: the Transaction UID.
    """

    asked: Asked
    sends: BackgroundSends
    level: Level
    uid: str

    @property
    def resource(self) -> str:
        """The search resource, below the mount."""
        ref = self.asked.ref
        within = f"studies/{ref.study}/" if ref.study is not None else ""
        within += f"series/{ref.series}/" if ref.series is not None else ""
        return within + _NAMES[self.level]

    async def begun(self, operation: Send) -> Transaction:
        """A new Send."""
        return await self.sends.begin(self.uid, operation, self.resource)

    async def found(self) -> Transaction:
        """The Send of that UID that was asked of this resource.

        Raises:
            Refused: the caller may not send this, and so may not know of it; or another has asked
                for it, and the caller is no administrator.
            NotFound: there is none.
        """
        found = await self.sends.status(self.uid)
        send = found.operation
        if (send.mount, found.resource) != (self.asked.mount, self.resource):
            raise NotFound("no Send has this Transaction UID here")
        operation = self.asked.operation(Send, refs=send.refs, destination=send.destination)
        self.asked.broker.admit(operation)
        if send.who.name != self.asked.who.name:
            self.asked.broker.admit(self.asked.operation(Come, any_of=frozenset((Right.ADMIN,))))
        return found

    def answer(self, transaction: Transaction, code: int, kind: str) -> Response:
        """The status of a Send, and where and when to ask for it again."""
        url = f"{self.asked.root}/{self.resource}/send-requests/{self.uid}"
        headers = {"Content-Location": url, "Cache-Control": "no-store"}
        if code == 202:  # noqa: PLR2004
            headers["Location"] = url
        if not transaction.sending.state.is_final:
            headers["Retry-After"] = str(RETRY_AFTER)
        told = send_status.encode(transaction.uid, transaction.sending)
        return Response(documents.written(kind, told), code, headers, media_type=kind)


def _addressed(request: Request, level: Level) -> _Addressed:
    about = asked(request)
    uid = request.path_params["transaction"]
    if not is_uid(uid):
        raise BadRequest("the Transaction UID in the path is no UID")
    sends: BackgroundSends | None = request.app.state.sends
    if sends is None:
        raise NotOffered(f"{about.mount} does not offer send")
    return _Addressed(about, sends, level, uid)


async def _without_payload(request: Request) -> None:
    """Refuse what is not known to mean anything here, such as credentials.

    Raises:
        UnsupportedMedia: the request has a payload.
    """
    async for piece in request.stream():
        if piece:
            raise UnsupportedMedia("a Send has no payload: what to send is in the URL")


def _destination(parameters: Iterable[tuple[str, str]]) -> str:
    given = {value.strip() for name, value in parameters if name.lower() == "destination"}
    if len(given) != 1 or not all(given):
        raise BadRequest("name one destination: ?destination=")
    return given.pop()


async def _refs(about: _Addressed, choice: Chosen) -> tuple[Ref, ...]:
    """What there is to send, at the level of the resource.

    Raises:
        NotFound: nothing.
        TooLarge: more than one Send takes.
        BadQuery: it cannot be said for certain what matches.
    """
    # What the path names is sent as it is; a search by its keys is one.
    made = about.asked.part if choice.is_whole else about.asked.operation
    find = made(Find, query=choice.query)
    refs: dict[Ref, None] = {}
    async with about.asked.broker.find(find) as found:
        async for ref in _each(found, about.level):
            refs[ref] = None
        warnings = [] if choice.is_whole else found.warnings
    if not refs:
        raise NotFound("nothing matches")
    if warnings:
        raise BadQuery(f"what matches is not certain: {warnings[0]}")
    if choice.is_whole:
        return (about.asked.ref,)
    if len(refs) > MAX_MATCHES:
        raise TooLarge(f"more than {MAX_MATCHES} match: choose less")
    return tuple(refs)


async def _each(found: AsyncIterator[Match], level: Level) -> AsyncIterator[Ref]:
    async for match in found:
        attributes = orjson.loads(match.dicom_json())
        values = [attributes.get(f"{tag:08X}", {}).get("Value") for tag in _UIDS[level]]
        uids = [str(value[0]) for value in values if value]
        if len(uids) < len(values) or not all(map(is_uid, uids)):
            raise BackendFault("a match does not name what it is")
        yield Ref(*islice((*uids, None, None), 3))
