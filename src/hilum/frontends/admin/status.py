"""How is the service, and what does it do now? The first page of administrators."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from hilum.config.mounts import ArchiveMount, DicomwebMount, DimseMount, FhirMount
from hilum.config.schema import Settings
from hilum.core import operations as ops
from hilum.core.measures import measured
from hilum.core.mounts import Mount
from hilum.core.records import Tally
from hilum.frontends.admin.desk import Desk
from hilum.frontends.admin.health import Echo
from hilum.frontends.admin.pages import back, desk, page, written
from hilum.frontends.dicomweb.asked import request_id
from hilum.model.errors import BadRequest, HilumError
from hilum.model.principal import OURSELVES

EVERY: Final = 10  # seconds after which the page is loaded again
_MOUNTS_FRESH, _PEERS_FRESH = 15.0, 120.0
"""Seconds for which their health is believed. Peers are asked seldom: many are modalities."""
_MOST: Final = 50  # operations that are listed
_MOUNT, _PEER = "mount", "peer"


async def show(request: Request) -> Response:
    """`GET /`."""
    at, mounts = desk(request), [*request.app.state.broker.mounts]
    settings = at.settings()
    async with asyncio.TaskGroup() as group:
        of_mounts = group.create_task(at.health.look(_mounts(request), _MOUNTS_FRESH))
        of_peers = group.create_task(at.health.look(_peers(at), _PEERS_FRESH))
        free = group.create_task(to_thread.run_sync(_free, settings))
        queue = group.create_task(_queue(at))
    numbers = await _numbers(mounts)  # when nobody asks for health any more
    mount_health, peer_health = of_mounts.result(), of_peers.result()
    running, sends = at.underway(), at.sends()
    echoed = request.query_params.get("echoed", "")
    said = {
        "every": 0 if "pause" in request.query_params else EVERY,
        "mounts": [
            {
                "name": each.name,
                "backend": each.backend,
                "default": each.name == request.app.state.broker.mounts.default,
                "where": _where(settings, each.name),
                "health": mount_health[_key(_MOUNT, each.name)],
                "numbers": numbers[each.name],
                "keeps": _keeps(settings, each.name),
                "free": free.result().get(each.name),
            }
            for each in mounts
        ],
        "peers": [
            {"name": name, "peer": each, "health": peer_health[_key(_PEER, name)]}
            for name, each in settings.peers.items()
        ],
        "running": [_running(each) for each in running[:_MOST]],
        "more": max(len(running) - _MOST, 0),
        "sends": sends,
        "queue": queue.result(),
        "lines": at.recent(),
        "echoed": echoed.partition(":")[2],
        "answer": at.health.known(echoed) if echoed else None,
        "data": settings.server.data,
        "data_free": free.result().get(""),
    }
    return await page(request, "status.html", said)


async def echo(request: Request) -> Response:
    """`POST /echo`: ask a mount or a peer whether it lives.

    Raises:
        BadRequest: there is none of that name.
    """
    fields = await written(request)
    name = fields.get("name", [""])[0]
    at = desk(request)
    found = {**_mounts(request), **_peers(at)}.get(name)
    if found is None:
        raise BadRequest("there is no mount or peer of that name")
    await at.health.ask(name, found)
    pause = {"pause": "1"} if "pause" in fields else {}
    return back(request, "", echoed=name, **pause)


def _key(kind: str, name: str) -> str:
    return f"{kind}:{name}"


def _mounts(request: Request) -> Mapping[str, Echo]:
    broker, name = request.app.state.broker, request_id(request)
    return {
        _key(_MOUNT, each.name): partial(
            broker.echo, ops.Echo(mount=each.name, who=OURSELVES, request_id=name)
        )
        for each in broker.mounts
    }


def _peers(at: Desk) -> Mapping[str, Echo]:
    return {_key(_PEER, name): partial(at.echo_peer, name) for name in at.settings().peers}


async def _numbers(mounts: Sequence[Mount]) -> Mapping[str, Mapping[str, float]]:
    """What mounts measure, by short names."""

    async def of(mount: Mount) -> Mapping[str, float]:
        found: dict[str, float] = {}
        for each in mount.measures:
            found |= await measured(each)
        return {name.removeprefix("hilum_"): value for name, value in found.items()}

    all_of_them = await asyncio.gather(*map(of, mounts))
    return {each.name: found for each, found in zip(mounts, all_of_them, strict=True)}


def _free(settings: Settings) -> Mapping[str, int]:
    """Bytes free at the data folder ("") and at each archive."""
    folders = {"": settings.server.data}
    folders |= {name: settings.folder(name) for name in settings.archives}
    found: dict[str, int] = {}
    for name, folder in folders.items():
        try:
            found[name] = shutil.disk_usage(folder).free
        except OSError:  # gone by now: its health says so
            continue
    return found


async def _queue(at: Desk) -> Mapping[str, int] | None:
    if at.queue is None:
        return None
    try:
        counts = await at.queue.counts()
    except HilumError:
        return None
    return {
        "waiting": sum(each.waiting for each in counts),
        "dead": sum(each.dead for each in counts),
    }


def _where(settings: Settings, name: str) -> str:
    """What a mount stands for; URLs of the configuration hold no logins."""
    match settings.mounts.get(name):
        case ArchiveMount():
            return str(settings.folder(name))
        case DimseMount(aet=aet, host=host, port=port):
            return f"{aet}@{host}:{port}"
        case DicomwebMount(url=url) | FhirMount(url=url):
            return url
    return ""


def _keeps(settings: Settings, name: str) -> Mapping[str, Any]:
    """For how long a mount keeps what it has."""
    match settings.mounts.get(name):
        case ArchiveMount(delete=delete):
            return {"archive": True, "delete": delete}
        case DimseMount(cache=cache) | DicomwebMount(cache=cache) | FhirMount(cache=cache):
            return {"archive": False, "size": cache.max_size, "age": cache.max_age}
    return {"archive": False, "size": None, "age": None}


def _running(tally: Tally) -> Mapping[str, Any]:
    operation = tally.operation
    return {
        "word": tally.word,
        "mount": operation.mount,
        "to": operation.destination if isinstance(operation, ops.Send) else "",
        "who": operation.who.name or operation.who.ae_title,
        "request": operation.request_id,
        "is_query": isinstance(operation, ops.Find),
        "tally": tally,
    }
