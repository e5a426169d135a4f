"""How does a handler wait on disk until it is asked for? By its name, and imported on first use.

What every visit needs is imported at the start. What only some ever ask for (pictures, pages, FHIR)
costs nothing until then, neither seconds at the start nor memory.
"""

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module

from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[[Request], Awaitable[Response]]


class Later:
    """A handler that is imported when the first request comes to it.

    The import runs in a thread: others are answered while it takes its time.

    Args:
        module: below `hilum.frontends`.
        name: of the handler in it.
        made_of: where that is what makes the handler: what it makes it of.
    """

    __slots__ = ("_handler", "_made_of", "module", "name")

    def __init__(self, module: str, name: str, *made_of: object) -> None:
        self.module = f"{__package__}.{module}"
        self.name = name
        self._made_of = made_of
        self._handler: Handler | None = None

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        if self._handler is None:
            module = await asyncio.to_thread(import_module, self.module)
            found = getattr(module, self.name)
            self._handler = found(*self._made_of) if self._made_of else found
        return await self._handler(request)
