"""How do clients ask to be told of changes? `…/Subscription`: created, read, updated, deleted."""

import asyncio
import re
import secrets
import time
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from hilum.codec import media_type
from hilum.codec.fhir import subscription as codec
from hilum.codec.fhir.parameters import Search, parse
from hilum.codec.fhir.values import Element
from hilum.codec.media_type import JSON
from hilum.core.fhir.subscriptions import OFF, REQUESTED, KeepsSubscriptions, Subscription
from hilum.core.fhir.table import Row
from hilum.core.operations import Come
from hilum.core.queue import SUBSCRIPTION, Errand, Queue
from hilum.frontends.dicomweb import entity_tag
from hilum.frontends.dicomweb.who import sees
from hilum.frontends.fhir.asked import About, about
from hilum.frontends.fhir.errors import FHIR_JSON
from hilum.frontends.fhir.finding import understood
from hilum.frontends.fhir.kinds import STUDIES, offered
from hilum.model.errors import (
    BadRequest,
    InUse,
    NotFound,
    OutOfResources,
    Stale,
    TooLarge,
    Unprocessable,
    UnsupportedMedia,
)
from hilum.model.principal import Right
from hilum.net.access import origin_of

_MAX_BODY: Final = 64 * 1024  # bytes
_ID: Final = 16  # random bytes
_NOTHING: Final = "there is no such resource"
_TAG: Final = re.compile(r'(?:W/)?"([0-9]{1,18})"')
_QUERY: Final = frozenset((Right.QUERY,))
_ADMIN: Final = frozenset((Right.ADMIN,))


async def create(request: Request) -> Response:
    """201: it is kept, and its endpoint will be asked whether it takes notifications."""
    asked = about(request)
    kept, _ = _service(asked)
    found = await _sent(request)
    made = Subscription(
        id=secrets.token_hex(_ID),
        mount=asked.mount.name,
        root=asked.root,
        status=_status(found),
        owner=replace(asked.asked.who, token=None, expires=None),
        said=await _understood(asked, found),
        headers=codec.headers(found),
        changed=time.time(),
    )
    if not await kept.add(made, most=asked.fhir.settings.subscriptions.most):
        raise OutOfResources("there are as many subscriptions at this mount as may be")
    await _begin(asked, made)
    headers = {"Location": f"{asked.root}/Subscription/{made.id}"}
    return _given(asked, made, 201, headers)


async def read(request: Request) -> Response:
    """200, or 304."""
    asked = about(request)
    made = await _own(request, asked)
    if entity_tag.is_known(request, _tag(made)):
        return entity_tag.unchanged({"ETag": _tag(made), "Vary": "Accept"})
    return _given(asked, made)


async def update(request: Request) -> Response:
    """200: it is as it was sent, and its endpoint is asked anew.

    Raises:
        Stale: If-Match names another version.
    """
    asked = about(request)
    kept, _ = _service(asked)
    old = await _own(request, asked)
    _match(request, old)
    found = await _sent(request)
    if found.get("id") != old.id:
        raise BadRequest("id: is not that of the URL")
    said, headers = await _understood(asked, found), codec.headers(found)
    if "header" not in found["channel"] and said["channel"]["endpoint"] == old.endpoint:
        headers = old.headers  # nobody is told them, so nobody can say them again
    made = replace(
        old, root=asked.root, status=_status(found), error="", said=said, headers=headers,
        changed=time.time(),
    )  # fmt: skip
    if not await kept.become(made):
        raise InUse("it has just become another one: read it again")
    made = replace(made, version=made.version + 1)
    await _begin(asked, made)
    return _given(asked, made)


async def delete(request: Request) -> Response:
    """204: nothing is sent any more but what is just on its way."""
    asked = about(request)
    kept, queue = _service(asked)
    made = await _own(request, asked)
    _match(request, made)
    await kept.remove(made.id)
    await queue.forget(SUBSCRIPTION, made.id)
    return Response(status_code=204)


async def rows(request: Request, asked: About) -> list[Row]:
    """All that who asks may know of; for a search."""
    kept, _ = _service(asked)
    now = time.time()
    every = [each for each in await kept.of(asked.mount.name) if _may(request, each)]
    return [
        Row(_resource(each, now), asked.systems, lambda made, _systems: dict(made))
        for each in every
    ]


def criteria(asked: About, text: str, study: str = "") -> Search:
    """What a subscription looks for; of one study only, where that is named.

    Raises:
        BadQuery: it cannot be searched so.
    """
    pairs = codec.parameters(text)
    if study:
        pairs.append(("_id", study))
    return parse(pairs, offered(asked, STUDIES), strict=True)


def _service(asked: About) -> tuple[KeepsSubscriptions, Queue]:
    """What keeps them.

    Raises:
        NotFound: this mount has none.
    """
    service = asked.fhir.subscriptions
    if service is None or not asked.is_subscribed:
        raise NotFound("there are no subscriptions at this mount")
    return service.kept, service.queue


def _may(request: Request, made: Subscription) -> bool:
    """Whether who asks may know of it: it is his, or he looks after all."""
    asked = about(request).asked
    return made.is_of(asked.who) or sees(request, made.mount, _ADMIN)


async def _own(request: Request, asked: About) -> Subscription:
    kept, _ = _service(asked)
    found = await kept.one(request.path_params["id"])
    if found is None or found.mount != asked.mount.name or not _may(request, found):
        raise NotFound(_NOTHING)
    return found


async def _sent(request: Request) -> Element:
    """What a client sends.

    Raises:
        UnsupportedMedia, TooLarge, BadRequest: it is no Subscription.
    """
    kind = media_type.parse(request.headers.get("content-type", "")).kind
    if kind not in {FHIR_JSON, JSON}:
        raise UnsupportedMedia(f"a resource is sent as {FHIR_JSON}")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_BODY:
            raise TooLarge(f"a Subscription has at most {_MAX_BODY} bytes")
    return await asyncio.to_thread(codec.read, bytes(body))


async def _understood(asked: About, found: Element) -> Element:
    """What is kept of it.

    Raises:
        Refused: who asks may not search here.
        BadQuery, Unprocessable: it cannot be done.
    """
    asked.asked.broker.admit(asked.asked.operation(Come, any_of=_QUERY))
    said = codec.said(found)
    allowed = {origin_of(each) for each in asked.fhir.settings.subscriptions.allow}
    if origin_of(said["channel"]["endpoint"]) not in allowed:
        raise Unprocessable("channel.endpoint: notifications may not be sent to that server")
    await understood(asked, STUDIES, criteria(asked, said["criteria"]))
    return said


def _status(found: Element) -> str:
    """What it shall be: only we say what is active or in error."""
    return OFF if found["status"] == OFF else REQUESTED


async def _begin(asked: About, made: Subscription) -> None:
    """Have its endpoint asked whether it takes notifications."""
    if made.status == REQUESTED:
        _, queue = _service(asked)
        await queue.put([Errand(kind=SUBSCRIPTION, target=made.id, key="")])


def _match(request: Request, made: Subscription) -> None:
    said = ",".join(request.headers.getlist("if-match")).strip()
    if said and said != "*" and str(made.version) not in _TAG.findall(said):
        raise Stale("it has changed since: read it again")


def _resource(made: Subscription, now: float) -> Element:
    return codec.resource(
        made.said,
        name=made.id,
        version=made.version,
        changed=made.changed,
        status=made.now(now),
        error=made.error,
    )


def _tag(made: Subscription) -> str:
    return f'W/"{made.version}"'


def _given(
    asked: About, made: Subscription, status: int = 200, more: dict[str, str] | None = None
) -> Response:
    headers = {"ETag": _tag(made), "Vary": "Accept", **(more or {})}
    body = asked.written(_resource(made, time.time()))
    return Response(body, status, headers, media_type=asked.kind)
