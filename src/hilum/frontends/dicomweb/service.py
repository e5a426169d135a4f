"""What does the service say of itself? Its mounts, and whether they live."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

import hilum
from hilum.codec import media_type
from hilum.codec.media_type import HTML, JSON, TEXT
from hilum.codec.verdict import verdict_on
from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.mounts import Mount
from hilum.core.operations import Echo
from hilum.core.readiness import Finding, Inspects
from hilum.frontends.dicomweb import page
from hilum.frontends.dicomweb.asked import accepts, asked, request_id
from hilum.frontends.dicomweb.root import aet_path, service_root
from hilum.frontends.dicomweb.viewer_config import source_name
from hilum.frontends.dicomweb.viewer_files import Installed
from hilum.frontends.dicomweb.who import sees, who
from hilum.model.errors import BackendTimeout, HilumError, NotOffered
from hilum.model.principal import OURSELVES, Right

_ECHO = frozenset((Right.ECHO,))
PATIENCE = 10.0  # seconds that a mount may take to say that it lives


async def index(request: Request) -> Response:
    """`GET /`: the study browser for a browser, else a few lines for the human who looks."""
    if media_type.choose(accepts(request), (TEXT, HTML)) == HTML:
        return page.start(request)
    broker, settings = _served(request)
    root = service_root(request, settings)
    lines = [f"Hilum {hilum.__version__}, a DICOMweb service.", ""]
    seen = [mount for mount in broker.mounts if sees(request, mount.name)]
    if broker.mounts.default in {mount.name for mount in seen}:
        lines.append(f"{root}/dicomweb  (the default mount, {broker.mounts.default})")
    lines += [f"{root}{aet_path(mount.name)}" for mount in seen]
    lines += ["", f"{root}/aets lists the mounts, {root}/health tells how they are."]
    return PlainTextResponse("\n".join(lines) + "\n", headers={"Vary": "Accept"})


async def mounts(request: Request) -> Response:
    """`GET /aets`: all mounts at which the caller may do anything."""
    broker, settings = _served(request)
    root = service_root(request, settings)
    installed: Installed | None = request.app.state.viewer
    has_viewer = installed is not None and await to_thread.run_sync(installed.release) is not None
    listed = [
        {**_described(mount, broker, root), **(_viewed(mount, root) if has_viewer else {})}
        for mount in broker.mounts
        if sees(request, mount.name)
    ]
    return Response(orjson.dumps(listed), media_type=JSON)


async def mount(request: Request) -> Response:
    """`GET /aets/{aet}` and `GET /dicomweb`: one mount, and whether it lives.

    Raises:
        UnknownMount: there is none of that name.
    """
    about = asked(request)
    described = _described(
        about.broker.mounts[about.mount], about.broker, service_root(request, about.settings)
    )
    status, health = await _health(about.broker, about.operation(Echo))
    return Response(orjson.dumps({**described, **health}), status, media_type=JSON)


async def health(request: Request) -> Response:
    """`GET /health`: the service, and each mount that the caller may ask that.

    503 only when every mount is down: a broker with one sick mount still serves the others.
    """
    said, seen = await _mounts(request)
    body = {"status": said, "version": hilum.__version__, "mounts": seen}
    return Response(orjson.dumps(body), 503 if said == "unhealthy" else 200, media_type=JSON)


async def ready(request: Request) -> Response:
    """`GET /readyz`: whether what is ours is in order; else 503, and why.

    A system elsewhere that is down does not matter, as we are there to say so. `?verbose` tells
    of all that was looked at, and of those systems too.
    """
    inspects: Inspects = request.app.state.inspects
    findings = await inspects()
    problems = {each.name: each.problem for each in findings if each.problem}
    body: dict[str, Any] = {"status": "unhealthy" if problems else "healthy", "reasons": problems}
    if "verbose" in request.query_params:
        shown = [each for each in findings if not each.mount or sees(request, each.mount, _ECHO)]
        body["checks"] = {_named(each): each.problem or "good" for each in shown}
        body["mounts"] = (await _mounts(request))[1]
    return Response(orjson.dumps(body), 503 if problems else 200, media_type=JSON)


def _named(finding: Finding) -> str:
    return f"{finding.name} {finding.mount}".rstrip()


async def _mounts(request: Request) -> tuple[str, Mapping[str, Any]]:
    """How all are together, and each that the caller may ask that."""
    broker: Broker = request.app.state.broker
    names = [mount.name for mount in broker.mounts]
    async with asyncio.TaskGroup() as group:
        asking = [
            Echo(
                mount=name,
                who=who(request.scope) if sees(request, name, _ECHO) else OURSELVES,
                request_id=request_id(request),
            )
            for name in names
        ]
        tasks = [group.create_task(_health(broker, each)) for each in asking]
    found = dict(zip(names, (task.result()[1] for task in tasks), strict=True))
    sick = sum(each["status"] == "unhealthy" for each in found.values())
    said = ("unhealthy" if sick == len(found) else "degraded") if sick else "healthy"
    return said, {name: each for name, each in found.items() if sees(request, name, _ECHO)}


async def alive(_request: Request) -> Response:
    """`GET /livez`: this process answers."""
    return Response(orjson.dumps({"status": "healthy"}), media_type=JSON)


def _served(request: Request) -> tuple[Broker, HttpSettings]:
    return request.app.state.broker, request.app.state.settings


def _described(mount: Mount, broker: Broker, root: str) -> dict[str, Any]:
    return {
        "aet": mount.name,
        "backend": mount.backend,
        "default": mount.name == broker.mounts.default,
        "url": root + aet_path(mount.name),
    }


def _viewed(mount: Mount, root: str) -> dict[str, str]:
    """Where the viewer shows a mount's studies: `?StudyInstanceUIDs=…` is to come behind it."""
    return {"viewer": f"{root}/viewer/viewer/{source_name(mount.name)}"}


async def _health(broker: Broker, operation: Echo) -> tuple[int, Mapping[str, Any]]:
    """The status that stands for a mount's health, and what to say of it."""
    try:
        seconds = await _echo(broker, operation)
    except NotOffered:
        return 200, {"status": "unknown"}
    except HilumError as error:
        return int(verdict_on(error).http), {"status": "unhealthy", "error": str(error)}
    return 200, {"status": "healthy", "latency_ms": round(seconds * 1000, 3)}


async def _echo(broker: Broker, operation: Echo) -> float:
    try:
        async with asyncio.timeout(PATIENCE):
            return await broker.echo(operation)
    except TimeoutError:
        raise BackendTimeout(f"no answer within {PATIENCE:g} seconds") from None
