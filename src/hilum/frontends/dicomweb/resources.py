"""Which resources are there, and what can be done with each? The one table of them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from hilum.frontends.dicomweb import (
    bulkdata,
    delete,
    frames,
    jobs,
    metadata,
    openapi,
    page,
    qido,
    rendered,
    send,
    service,
    stow,
    thumbnail,
    viewer,
    wado,
    wado_uri,
)
from hilum.model.identity import Level

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Resource:
    """One path and its methods; HEAD goes with GET, OPTIONS with every one below a mount.

    Attributes:
        path: as starlette writes it; `{name:path}` takes slashes.
    """

    path: str
    methods: Mapping[str, Handler]


_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"


def _sends(search: str, level: Level) -> Resource:
    """The Sends of what a search resource lists."""
    methods = {"POST": send.begin(level), "GET": send.status(level), "DELETE": send.stop(level)}
    return Resource(search + "/send-requests/{transaction}", methods)


OF_A_MOUNT = (
    Resource("", {"GET": service.mount}),
    Resource("/studies", {"GET": qido.search(Level.STUDY), "POST": stow.store}),
    Resource("/series", {"GET": qido.search(Level.SERIES)}),
    Resource("/instances", {"GET": qido.search(Level.IMAGE)}),
    Resource(_STUDY, {"GET": wado.retrieve, "POST": stow.store, "DELETE": delete.delete}),
    Resource(_STUDY + "/metadata", {"GET": metadata.describe}),
    Resource(_STUDY + "/series", {"GET": qido.search(Level.SERIES)}),
    Resource(_STUDY + "/instances", {"GET": qido.search(Level.IMAGE)}),
    Resource(_SERIES, {"GET": wado.retrieve, "DELETE": delete.delete}),
    Resource(_SERIES + "/metadata", {"GET": metadata.describe}),
    Resource(_SERIES + "/instances", {"GET": qido.search(Level.IMAGE)}),
    Resource(_INSTANCE, {"GET": wado.retrieve, "DELETE": delete.delete}),
    Resource(_INSTANCE + "/metadata", {"GET": metadata.describe}),
    Resource(_INSTANCE + "/bulkdata/{path:path}", {"GET": bulkdata.bulkdata}),
    Resource(_INSTANCE + "/pixeldata", {"GET": frames.pixeldata}),
    Resource(_INSTANCE + "/frames/{frames}", {"GET": frames.frames}),
    Resource(_STUDY + "/rendered", {"GET": rendered.several}),
    Resource(_SERIES + "/rendered", {"GET": rendered.several}),
    Resource(_INSTANCE + "/rendered", {"GET": rendered.instance}),
    Resource(_INSTANCE + "/frames/{frames}/rendered", {"GET": rendered.frames}),
    Resource(_STUDY + "/thumbnail", {"GET": thumbnail.show}),
    Resource(_SERIES + "/thumbnail", {"GET": thumbnail.show}),
    Resource(_INSTANCE + "/thumbnail", {"GET": thumbnail.show}),
    Resource(_INSTANCE + "/frames/{frames}/thumbnail", {"GET": thumbnail.show}),
    Resource("/wado", {"GET": wado_uri.retrieve}),
    Resource("/jobs/{job}", {"GET": jobs.status, "DELETE": jobs.give_up}),
    _sends("/studies", Level.STUDY),
    _sends("/series", Level.SERIES),
    _sends("/instances", Level.IMAGE),
    _sends(_STUDY + "/series", Level.SERIES),
    _sends(_STUDY + "/instances", Level.IMAGE),
    _sends(_SERIES + "/instances", Level.IMAGE),
)
"""Below `/aets/{aet}` and `/dicomweb` (PS3.18 Table 10.3-1)."""

OF_THE_SERVICE = (
    Resource("/", {"GET": service.index}),
    Resource("/ui/{file}", {"GET": page.asset}),
    Resource("/openapi.yaml", {"GET": openapi.as_yaml}),
    Resource("/openapi.json", {"GET": openapi.as_json}),
    Resource("/aets", {"GET": service.mounts}),
    Resource("/wado", {"GET": wado_uri.retrieve}),
    Resource("/health", {"GET": service.health}),
    Resource("/livez", {"GET": service.alive}),
    Resource("/readyz", {"GET": service.health}),
    Resource("/viewer", {"GET": viewer.viewer}),
    Resource("/viewer/{path:path}", {"GET": viewer.viewer}),
)

MOUNTS = ("/aets/{aet}", "/dicomweb")
