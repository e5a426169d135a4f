"""Which resources does the door of administrators have? The one table of them."""

from typing import Final

from hilum.frontends.admin import configuration, explain, metrics, probe, queue, status, tokens
from hilum.frontends.dicomweb import login_elsewhere, login_page, page, service
from hilum.frontends.dicomweb.resources import Resource
from hilum.frontends.dicomweb.who import NOT_LOOKED_AT
from hilum.frontends.later import Handler
from hilum.model.principal import Right

_METRICS: Final = frozenset((Right.METRICS, Right.ADMIN))

_ADMIN: Final = frozenset((Right.ADMIN,))


def _page(path: str, show: Handler, change: Handler) -> Resource:
    return Resource(path, {"GET": show, "POST": change}, {"GET": _ADMIN, "POST": _ADMIN})


_OPEN: Final = {"GET": NOT_LOOKED_AT, "POST": NOT_LOOKED_AT}

PAGES: Final = (
    Resource("/", {"GET": status.show}, {"GET": _ADMIN}),
    Resource("/echo", {"POST": status.echo}, {"POST": _ADMIN}),
    _page("/queue", queue.show, queue.change),
    _page("/tokens", tokens.show, tokens.change),
    _page("/config", configuration.show, configuration.change),
    _page("/explain", explain.show, explain.change),
    _page("/probe", probe.show, probe.change),
)
"""What is for people; its errors are pages too."""

RESOURCES: Final = (
    *PAGES,
    Resource("/ui/{file}", {"GET": page.asset}, {"GET": NOT_LOOKED_AT}),
    Resource("/login", {"GET": login_page.show, "POST": login_page.begin}, _OPEN),
    Resource("/login/provider", {"GET": login_elsewhere.begin}, {"GET": NOT_LOOKED_AT}),
    Resource("/login/code", {"GET": login_elsewhere.end}, {"GET": NOT_LOOKED_AT}),
    Resource("/logout", {"POST": login_page.end}, {"POST": NOT_LOOKED_AT}),
    Resource("/metrics", {"GET": metrics.metrics}, {"GET": _METRICS}),
    Resource("/livez", {"GET": service.alive}, {"GET": NOT_LOOKED_AT}),
    Resource("/readyz", {"GET": service.ready}, {"GET": NOT_LOOKED_AT}),
)
"""The rights are needed at all mounts: what is told and done here is about all of them."""
