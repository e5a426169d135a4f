"""Which resources are there, and what can be done with each? The one table of them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from hilum.frontends.dicomweb import bulkdata, metadata, qido, service, stow, wado
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

OF_A_MOUNT = (
    Resource("", {"GET": service.mount}),
    Resource("/studies", {"GET": qido.search(Level.STUDY), "POST": stow.store}),
    Resource("/series", {"GET": qido.search(Level.SERIES)}),
    Resource("/instances", {"GET": qido.search(Level.IMAGE)}),
    Resource(_STUDY, {"GET": wado.retrieve, "POST": stow.store}),
    Resource(_STUDY + "/metadata", {"GET": metadata.describe}),
    Resource(_STUDY + "/series", {"GET": qido.search(Level.SERIES)}),
    Resource(_STUDY + "/instances", {"GET": qido.search(Level.IMAGE)}),
    Resource(_SERIES, {"GET": wado.retrieve}),
    Resource(_SERIES + "/metadata", {"GET": metadata.describe}),
    Resource(_SERIES + "/instances", {"GET": qido.search(Level.IMAGE)}),
    Resource(_INSTANCE, {"GET": wado.retrieve}),
    Resource(_INSTANCE + "/metadata", {"GET": metadata.describe}),
    Resource(_INSTANCE + "/bulkdata/{path:path}", {"GET": bulkdata.bulkdata}),
)
"""Below `/aets/{aet}` and `/dicomweb` (PS3.18 Table 10.3-1)."""

OF_THE_SERVICE = (
    Resource("/", {"GET": service.index}),
    Resource("/aets", {"GET": service.mounts}),
    Resource("/health", {"GET": service.health}),
    Resource("/livez", {"GET": service.alive}),
    Resource("/readyz", {"GET": service.health}),
)

MOUNTS = ("/aets/{aet}", "/dicomweb")
