"""Which handler answers which request? The DICOMweb application, put together."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp

from hilum.config.limits import LimitSettings
from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.jobs import BackgroundSends
from hilum.core.login import OPEN, Login
from hilum.core.readiness import Inspects, nothing
from hilum.frontends.dicomweb import errors
from hilum.frontends.dicomweb.access import Access
from hilum.frontends.dicomweb.bodies import Bodies
from hilum.frontends.dicomweb.cors import Cors
from hilum.frontends.dicomweb.direct import Direct
from hilum.frontends.dicomweb.endpoint import Endpoint, Failed
from hilum.frontends.dicomweb.metered import Metered
from hilum.frontends.dicomweb.pictures import Pictures
from hilum.frontends.dicomweb.reports import Reports
from hilum.frontends.dicomweb.resources import (
    MOUNTS,
    OF_A_MOUNT,
    OF_THE_SERVICE,
    OPTIONS_OF_A_MOUNT,
    OPTIONS_OF_THE_SERVICE,
    Resource,
)
from hilum.frontends.dicomweb.viewer_files import Installed
from hilum.frontends.dicomweb.who import ANY, NOT_LOOKED_AT
from hilum.frontends.fhir import errors as fhir_errors
from hilum.frontends.fhir.resources import OF_FHIR, ROOTS, STATEMENT, is_below
from hilum.frontends.fhir.service import Fhir
from hilum.frontends.later import Handler
from hilum.net.rates import Rates
from hilum.workshop.pool import Workshop


def application(  # noqa: PLR0913, PLR0917 - what the door is made of
    broker: Broker,
    settings: HttpSettings,
    sends: BackgroundSends | None = None,
    mark: str = "",
    workshop: Workshop | None = None,
    viewer: Path | None = None,
    spill: Path | None = None,
    login: Login = OPEN,
    fhir: Fhir | None = None,
    rates: Rates | None = None,
    inspects: Inspects = nothing,
    before: Starlette | None = None,
) -> Starlette:
    """All resources, for every mount below `/aets/{aet}` and the default one below `/dicomweb`.

    FHIR is below `/aets/{aet}/fhir` and, for the default mount, `/fhir`.

    Args:
        broker: what runs the operations.
        settings: of the door.
        sends: what runs them in the background; None: Send is not offered.
        mark: what the names of reports end with.
        workshop: where pixels are worked on; None: what needs that is not offered.
        viewer: where the viewer is installed, or will be; None: it is not served.
        spill: where requests are put away that must be whole to be understood; None: the system's
            folder for temporary files.
        login: how it is known who asks, and what they may.
        fhir: what FHIR is answered with; None: it is not offered.
        rates: how much each may ask; None: any amount.
        inspects: looks whether what is ours is in order.
        before: one that this takes the place of; what it remembers is passed on.
    """
    routes = [*_routes()]
    counted = rates or Rates(LimitSettings())
    metered = [Middleware(Metered, rates=counted)] if counted.counts_bytes else []
    app = _Application(
        routes=routes,
        middleware=[
            Middleware(Cors, settings=settings),
            Middleware(Access, settings=settings),
            *metered,
            Middleware(Direct, routes=routes),
        ],
        exception_handlers={HTTPException: errors.routing(_written)},
    )
    # Slashes at the end are cut off before: a redirect to a path that has one would go in circles.
    app.router.redirect_slashes = False
    app.state.broker = broker
    app.state.settings = settings
    app.state.login = login
    app.state.rates = counted
    app.state.reports = Reports(mark) if before is None else before.state.reports
    app.state.sends = sends
    app.state.workshop = workshop
    app.state.pictures = Pictures() if before is None else before.state.pictures
    app.state.bodies = Bodies() if before is None else before.state.bodies
    app.state.viewer = None if viewer is None else Installed(viewer)
    app.state.spill = spill
    app.state.fhir = fhir
    app.state.inspects = inspects
    return app


class _Application(Starlette):
    """starlette's, without its outermost layer.

    That one would answer what our layers fail with, which the server does too (`net.guard`): each
    message of each answer would go through it.
    """

    def build_middleware_stack(self) -> ASGIApp:
        """All layers but that."""
        stack = super().build_middleware_stack()
        return stack.app if isinstance(stack, ServerErrorMiddleware) else stack


def _routes() -> Iterator[Route]:
    for resource in OF_THE_SERVICE:
        yield _route(resource.path, resource, OPTIONS_OF_THE_SERVICE, _all)
    for mount in MOUNTS:
        for resource in OF_A_MOUNT:
            yield _route(mount + resource.path, resource, OPTIONS_OF_A_MOUNT, _addressed)
    for root in ROOTS:
        for resource in OF_FHIR:
            path = root + resource.path
            yield _route(path, resource, STATEMENT, _addressed, fhir_errors.answer)


def _written(request: Request) -> errors.Said:
    """How an error is written, by the path that was asked for."""
    return fhir_errors.said if is_below(request.scope["path"]) else errors.said


def _route(
    path: str,
    resource: Resource,
    options: Handler,
    mounts: Callable[[Request], Sequence[str]],
    failed: Failed = errors.answer,
) -> Route:
    handlers = {**resource.methods, "OPTIONS": options}
    needs = {**resource.needs, "OPTIONS": NOT_LOOKED_AT if mounts is _all else ANY}
    if "GET" in handlers:
        handlers["HEAD"], needs["HEAD"] = handlers["GET"], needs["GET"]
    return Route(path, Endpoint(handlers, needs, mounts, failed), methods=[*handlers])


def _all(request: Request) -> Sequence[str]:
    return [mount.name for mount in request.app.state.broker.mounts]


def _addressed(request: Request) -> Sequence[str]:
    """The mount of the path, whether or not there is one of that name."""
    return [request.path_params.get("aet", request.app.state.broker.mounts.default or "")]
