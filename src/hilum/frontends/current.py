"""Which application answers by now? Another one after the configuration has changed."""

from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.applications import Starlette
from starlette.types import Receive, Send

from hilum.config.schema import Settings
from hilum.core.login import Login

Makes = Callable[[Settings, Login, Starlette | None], Starlette]
"""Makes one, which takes the place of another; None: it is the first."""


class Current:
    """An ASGI application. Requests that have begun keep the one that they began with.

    Attributes:
        settings: what it is made of.
    """

    def __init__(self, makes: Makes, settings: Settings, login: Login) -> None:
        self.settings = settings
        self._makes = makes
        self._application = makes(settings, login, None)

    def become(self, settings: Settings, login: Login) -> None:
        """Answer what begins from now on by other settings."""
        self._application = self._makes(settings, login, self._application)
        self.settings = settings

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """ASGI."""
        await self._application(scope, receive, send)
