"""Which handler answers which request? The DICOMweb application, put together."""

from collections.abc import Iterator, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.jobs import BackgroundSends
from hilum.frontends.dicomweb import capabilities, errors
from hilum.frontends.dicomweb.access import Access
from hilum.frontends.dicomweb.asked import request_id
from hilum.frontends.dicomweb.reports import Reports
from hilum.frontends.dicomweb.resources import (
    MOUNTS,
    OF_A_MOUNT,
    OF_THE_SERVICE,
    Handler,
    Resource,
)


def application(
    broker: Broker, settings: HttpSettings, sends: BackgroundSends | None = None
) -> Starlette:
    """All resources, for every mount below `/aets/{aet}` and the default one below `/dicomweb`.

    Args:
        broker: what runs the operations.
        settings: of the door.
        sends: what runs them in the background; None: Send is not offered.
    """
    app = Starlette(
        routes=[*_routes()],
        middleware=[Middleware(Access, settings=settings)],
        exception_handlers={HTTPException: errors.routing},
    )
    # Slashes at the end are cut off before: a redirect to a path that has one would go in circles.
    app.router.redirect_slashes = False
    app.state.broker = broker
    app.state.settings = settings
    app.state.reports = Reports()
    app.state.sends = sends
    return app


def _routes() -> Iterator[Route]:
    for resource in OF_THE_SERVICE:
        yield _route(resource.path, resource, capabilities.of_the_service)
    for mount in MOUNTS:
        for resource in OF_A_MOUNT:
            yield _route(mount + resource.path, resource, capabilities.of_a_mount)


def _route(path: str, resource: Resource, options: Handler) -> Route:
    handlers = {**resource.methods, "OPTIONS": options}
    if "GET" in handlers:
        handlers["HEAD"] = handlers["GET"]
    return Route(path, _endpoint(handlers), methods=[*handlers])


def _endpoint(handlers: Mapping[str, Handler]) -> Handler:
    """One handler for all methods of a path; what it raises is answered here, in one place."""

    async def endpoint(request: Request) -> Response:
        request.scope["hilum.methods"] = [*handlers]
        try:
            return await handlers[request.method](request)
        except Exception as error:  # noqa: BLE001 - logged with the request's name, answered 500
            return errors.answer(error, request_id(request))

    return endpoint
