"""How is a request for one path answered? Who asks is settled, a handler runs, errors are told."""

from collections.abc import Callable, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hilum.frontends.dicomweb import errors
from hilum.frontends.dicomweb.asked import request_id
from hilum.frontends.dicomweb.who import settle
from hilum.frontends.later import Handler
from hilum.model.principal import Right

Failed = Callable[[Exception, str], Response]
"""Answers with an error, whose request has that name."""


class Endpoint:
    """All methods of a path: who asks is settled, then the handler runs.

    What either raises is answered here, in one place. It is an ASGI application, as
    starlette wraps functions four times over.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        needs: Mapping[str, frozenset[Right]],
        mounts: Callable[[Request], Sequence[str]],
        failed: Failed = errors.answer,
    ) -> None:
        self._failed = failed
        self._handlers = handlers
        self._needs = needs
        self._mounts = mounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        scope["hilum.handlers"] = self._handlers
        request = Request(scope, receive, send)
        try:
            needs = self._needs[request.method]
            await settle(request, needs, self._mounts(request) if needs else ())
            response = await self._handlers[request.method](request)
        except Exception as error:  # noqa: BLE001 - logged with the request's name, answered 500
            response = self._failed(error, request_id(request))
        await response(scope, receive, send)
