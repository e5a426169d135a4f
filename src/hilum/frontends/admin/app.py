"""Which handler answers which request of administrators? Their application, put together."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hilum.config.limits import LimitSettings
from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.login import OPEN, Login
from hilum.core.readiness import Inspects, nothing
from hilum.core.records import Exposes
from hilum.frontends.admin.desk import Desk
from hilum.frontends.admin.local import Local
from hilum.frontends.admin.pages import failed
from hilum.frontends.admin.resources import PAGES, RESOURCES
from hilum.frontends.dicomweb import errors
from hilum.frontends.dicomweb.access import Access
from hilum.frontends.dicomweb.endpoint import Endpoint
from hilum.frontends.dicomweb.resources import Resource
from hilum.frontends.dicomweb.who import EVERY
from hilum.net.rates import Rates


def application(  # noqa: PLR0913 - what the door is made of
    broker: Broker,
    settings: HttpSettings,
    exposes: Exposes,
    *,
    login: Login = OPEN,
    rates: Rates | None = None,
    inspects: Inspects = nothing,
    desk: Desk | None = None,
) -> Starlette:
    """All resources of administrators.

    Args:
        broker: whose mounts they are about.
        settings: of the door.
        exposes: gives what was counted.
        login: how it is known who asks, and what they may.
        rates: how much each may ask; None: any amount.
        inspects: looks whether all is in order.
        desk: what the pages work with; None: there is nothing to be seen.
    """
    app = Starlette(
        routes=[_route(each) for each in RESOURCES],
        middleware=[
            Middleware(Access, settings=settings),
            Middleware(Local, settings=settings, has_login=login.is_on),
        ],
        exception_handlers={HTTPException: errors.routing(_written)},
    )
    app.router.redirect_slashes = False
    app.state.broker = broker
    app.state.settings = settings
    app.state.login = login
    app.state.rates = rates or Rates(LimitSettings())
    app.state.exposes = exposes
    app.state.inspects = inspects
    app.state.desk = desk or Desk()
    return app


def _written(_request: Request) -> errors.Said:
    return errors.said


def _route(resource: Resource) -> Route:
    handlers, needs = {**resource.methods}, {**resource.needs}
    if "GET" in handlers:
        handlers["HEAD"], needs["HEAD"] = handlers["GET"], needs["GET"]
    is_page = resource in PAGES
    endpoint = Endpoint(handlers, needs, _all, _raised if is_page else errors.answer)
    return Route(resource.path, _Page(endpoint) if is_page else endpoint, methods=[*handlers])


class _Failed(Exception):
    """An error that is to become a page."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _raised(error: Exception, _request_id: str) -> Response:
    raise _Failed(error)


class _Page:
    """An endpoint whose errors are pages, too."""

    def __init__(self, endpoint: ASGIApp) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        try:
            await self._endpoint(scope, receive, send)
        except _Failed as failure:
            response = await failed(Request(scope, receive), failure.error)
            await response(scope, receive, send)


def _all(_request: Request) -> list[str]:
    return [EVERY]
