"""Which resources are there, and what can be done with each? The one table of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from hilum.frontends.dicomweb import frames, metadata, qido, service, stow, wado
from hilum.frontends.dicomweb.who import ANY, NOT_LOOKED_AT
from hilum.frontends.later import Handler, Later
from hilum.model.identity import Level
from hilum.model.principal import Right


@dataclass(frozen=True, slots=True)
class Resource:
    """One path and its methods; HEAD goes with GET, OPTIONS with every one below a mount.

    Attributes:
        path: as starlette writes it; `{name:path}` takes slashes.
        needs: rights of which a method needs one; of none: it is for everybody.
    """

    path: str
    methods: Mapping[str, Handler]
    needs: Mapping[str, frozenset[Right]]


def _later(module: str, name: str, *made_of: object) -> Later:
    return Later(f"dicomweb.{module}", name, *made_of)


DELETE = _later("delete", "delete")
OPTIONS_OF_A_MOUNT = _later("capabilities", "of_a_mount")
OPTIONS_OF_THE_SERVICE = _later("capabilities", "of_the_service")

_RENDERED_SEVERAL = _later("rendered", "several")
_THUMBNAIL = _later("thumbnail", "show")
_VIEWER = _later("viewer", "viewer")
_WADO_URI = _later("wado_uri", "retrieve")

_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"


def _given(path: str, handler: Handler) -> Resource:
    """What is read out of instances."""
    return Resource(path, {"GET": handler}, _needs(GET=Right.RETRIEVE))


def _searched(path: str, level: Level) -> Resource:
    return Resource(path, {"GET": qido.search(level)}, _needs(GET=Right.QUERY))


def _sends(search: str, level: Level) -> Resource:
    """The Sends of what a search resource lists."""
    methods = {
        "POST": _later("send", "begin", level),
        "GET": _later("send", "status", level),
        "DELETE": _later("send", "stop", level),
    }
    needs = _needs(POST=Right.SEND, GET=Right.SEND, DELETE=Right.SEND)
    return Resource(search + "/send-requests/{transaction}", methods, needs)


def _open(path: str, handler: Handler) -> Resource:
    """For everybody; what it tells may still depend on who asks."""
    return Resource(path, {"GET": handler}, {"GET": NOT_LOOKED_AT})


def _needs(**rights: Right) -> Mapping[str, frozenset[Right]]:
    return {method: frozenset((right,)) for method, right in rights.items()}


OF_A_MOUNT = (
    Resource("", {"GET": service.mount}, _needs(GET=Right.ECHO)),
    Resource(
        "/studies",
        {"GET": qido.search(Level.STUDY), "POST": stow.store},
        _needs(GET=Right.QUERY, POST=Right.STORE),
    ),
    _searched("/series", Level.SERIES),
    _searched("/instances", Level.IMAGE),
    Resource(
        _STUDY,
        {"GET": wado.retrieve, "POST": stow.store, "DELETE": DELETE},
        _needs(GET=Right.RETRIEVE, POST=Right.STORE, DELETE=Right.DELETE),
    ),
    _given(_STUDY + "/metadata", metadata.describe),
    _searched(_STUDY + "/series", Level.SERIES),
    _searched(_STUDY + "/instances", Level.IMAGE),
    *(
        Resource(
            each,
            {"GET": wado.retrieve, "DELETE": DELETE},
            _needs(GET=Right.RETRIEVE, DELETE=Right.DELETE),
        )
        for each in (_SERIES, _INSTANCE)
    ),
    _given(_SERIES + "/metadata", metadata.describe),
    _searched(_SERIES + "/instances", Level.IMAGE),
    _given(_INSTANCE + "/metadata", metadata.describe),
    _given(_INSTANCE + "/bulkdata/{path:path}", _later("bulkdata", "bulkdata")),
    _given(_INSTANCE + "/pixeldata", frames.pixeldata),
    _given(_INSTANCE + "/frames/{frames}", frames.frames),
    _given(_STUDY + "/rendered", _RENDERED_SEVERAL),
    _given(_SERIES + "/rendered", _RENDERED_SEVERAL),
    _given(_INSTANCE + "/rendered", _later("rendered", "instance")),
    _given(_INSTANCE + "/frames/{frames}/rendered", _later("rendered", "frames")),
    *(_given(each + "/thumbnail", _THUMBNAIL) for each in (_STUDY, _SERIES, _INSTANCE)),
    _given(_INSTANCE + "/frames/{frames}/thumbnail", _THUMBNAIL),
    _given("/wado", _WADO_URI),
    Resource(
        "/jobs/{job}",
        {"GET": _later("jobs", "status"), "DELETE": _later("jobs", "give_up")},
        _needs(GET=Right.RETRIEVE, DELETE=Right.RETRIEVE),
    ),
    _sends("/studies", Level.STUDY),
    _sends("/series", Level.SERIES),
    _sends("/instances", Level.IMAGE),
    _sends(_STUDY + "/series", Level.SERIES),
    _sends(_STUDY + "/instances", Level.IMAGE),
    _sends(_SERIES + "/instances", Level.IMAGE),
)
"""Below `/aets/{aet}` and `/dicomweb` (PS3.18 Table 10.3-1)."""

OF_THE_SERVICE = (
    _open("/", service.index),
    _open("/ui/{file}", _later("page", "asset")),
    Resource(
        "/login",
        {"GET": _later("login_page", "show"), "POST": _later("login_page", "begin")},
        {"GET": NOT_LOOKED_AT, "POST": NOT_LOOKED_AT},
    ),
    _open("/login/provider", _later("login_elsewhere", "begin")),
    _open("/login/code", _later("login_elsewhere", "end")),
    Resource("/logout", {"POST": _later("login_page", "end")}, {"POST": NOT_LOOKED_AT}),
    _open("/openapi.yaml", _later("openapi", "as_yaml")),
    _open("/openapi.json", _later("openapi", "as_json")),
    _given("/wado", _WADO_URI),
    Resource("/aets", {"GET": service.mounts}, {"GET": ANY}),
    Resource("/health", {"GET": service.health}, _needs(GET=Right.ECHO)),
    _open("/livez", service.alive),
    _open("/readyz", service.ready),
    _open("/viewer", _VIEWER),
    _open("/viewer/{path:path}", _VIEWER),
)

MOUNTS = ("/aets/{aet}", "/dicomweb")
