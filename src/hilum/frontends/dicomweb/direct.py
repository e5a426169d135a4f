"""Which resource does a path mean? Found by its beginning and its depth, not one after another."""

from collections.abc import Iterable

from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

_Key = tuple[str, int]


class Direct:
    """A layer of the application that asks only those routes that a path can mean.

    What none of them takes whole, path and method, goes on to starlette's router, which asks all
    of them, and says what is wrong.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[Route]) -> None:
        self._app = app
        self._routes: dict[_Key, list[Route]] = {}
        for route in routes:
            if ":path}" not in route.path:  # or else its depth is not known
                self._routes.setdefault(_key(route.path), []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            for route in self._routes.get(_key(scope["path"]), ()):
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found)
                    await route.app(scope, receive, send)
                    return
        await self._app(scope, receive, send)


def _key(path: str) -> _Key:
    """The first part of a path, and how many there are."""
    return path[1:].partition("/")[0], path.count("/")
