"""Which resource does a path mean? Found by its beginning and its depth, not one after another."""

from collections.abc import Iterable
from typing import Any, Final

from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

_Key = tuple[str, int]
_SHORT: Final = 48
"""Characters of a path that is remembered: of what many ask for again and again, and no UIDs."""
_MOST: Final = 256


class Direct:
    """A layer of the application that asks only those routes that a path can mean.

    What none of them takes whole, path and method, goes on to starlette's router, which asks all
    of them, and says what is wrong.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[Route]) -> None:
        self._app = app
        self._routes: dict[_Key, list[Route]] = {}
        self._known: dict[tuple[str, str], tuple[ASGIApp, Any, dict[str, Any]]] = {}
        for route in routes:
            if ":path}" not in route.path:  # or else its depth is not known
                self._routes.setdefault(_key(route.path), []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            method, path = scope["method"], scope["path"]
            known = self._known.get((method, path))
            if known is not None:
                app, endpoint, parameters = known
                scope["endpoint"], scope["path_params"] = endpoint, parameters.copy()
                await app(scope, receive, send)
                return
            for route in self._routes.get(_key(path), ()):
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found)
                    if len(path) <= _SHORT and len(self._known) < _MOST:
                        known = route.app, scope["endpoint"], scope["path_params"].copy()
                        self._known[method, path] = known
                    await route.app(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def _key(path: str) -> _Key:
    """The first part of a path, and how many there are."""
    return path[1:].partition("/")[0], path.count("/")
