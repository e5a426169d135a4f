"""Plays the client's side of a recorded HTTP connection, and compares what comes back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from hilum.cli.record import datasets, web_words
from hilum.cli.record.disguise import Disguise
from hilum.cli.record.events import Event
from hilum.cli.record.played import Played
from hilum.codec import multipart
from hilum.codec.part10 import encode_meta

_SENT: Final = frozenset(("accept", "accept-charset", "range", "prefer", "cache-control"))


async def play(
    events: Sequence[Event], client: httpx.AsyncClient, extra: Mapping[str, str]
) -> list[Played]:
    """All that one connection asked for.

    Args:
        events: of that connection.
        client: its base is the server's root.
        extra: headers of each request, such as a token.

    Raises:
        httpx.HTTPError: there is no connection.
    """
    requests = [each for each in events if each.kind == "request"]
    responses = [each for each in events if each.kind == "response"]
    played = []
    for at, request in enumerate(requests):
        then = _then(responses[at]) if at < len(responses) else {"status": "none"}
        played.append(await _one(request, then, client, extra))
    return played


def _then(response: Event) -> dict[str, Any]:
    status, headers = response.held["status"], response.held["headers"]
    return _summary(status, headers.get("content-type", ""), response.held.get("body"))


def _summary(status: int, kind: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
    made: dict[str, Any] = {"status": status, "type": kind.partition(";")[0]}
    for name in ("parts", "json"):
        if body is not None and name in body:
            made[name] = len(body[name])
    return made


async def _one(
    request: Event, then: dict[str, Any], client: httpx.AsyncClient, extra: Mapping[str, str]
) -> Played:
    held = request.held
    what = f"{held['method']} {held['target']}"
    try:
        kind, content = _content(held)
    except ValueError as error:
        return Played(request.connection, what, then, None, str(error))
    headers = {name: value for name, value in held["headers"].items() if name in _SENT}
    headers |= {"content-type": kind} if kind else {}
    answer = await client.request(
        held["method"], held["target"], content=content, headers={**headers, **extra}
    )
    said = {name.lower(): value for name, value in answer.headers.items()}
    said.pop("content-encoding", None)  # httpx has taken it off
    now = _summary(
        answer.status_code,
        said.get("content-type", ""),
        web_words.body(Disguise(), said, answer.content),
    )
    return Played(request.connection, what, then, now)


def _content(held: Mapping[str, Any]) -> tuple[str, bytes | None]:
    """The media type of a request's body, and the body.

    Raises:
        ValueError: it was not recorded, or cannot be written.
    """
    body, kind = held.get("body"), held["headers"].get("content-type", "")
    if body is None:
        return "", None
    if "without" in body:
        raise ValueError(body["without"])
    if "parts" not in body:
        return kind, _part(body)
    boundary = multipart.new_boundary()
    pieces = []
    for at, part in enumerate(body["parts"]):
        head = {"Content-Type": part["type"]}
        pieces += [multipart.part_head(boundary, head, first=not at), _part(part)]
    start, _, after = kind.partition("boundary=")
    rest = after.partition(";")[2]
    named = f"{start}boundary={boundary}" + (f";{rest}" if rest else "")
    return named, b"".join([*pieces, multipart.closing(boundary)])


def _part(part: Mapping[str, Any]) -> bytes:
    if "dataset" in part:
        told, syntax = part["dataset"], part["transfer_syntax"]
        sop_class, instance = (_first(told, tag) for tag in ("00080016", "00080018"))
        return encode_meta(sop_class, instance, syntax) + datasets.encoded(told, syntax)
    if "json" in part:
        return json.dumps(part["json"]).encode()
    return bytes(part["zeros"])


def _first(told: Mapping[str, Any], tag: str) -> str:
    return str((told.get(tag, {}).get("Value") or [""])[0])
