"""Which application answers by now? Another one after the configuration has changed."""

from collections.abc import Callable, MutableMapping
from contextlib import ExitStack
from typing import Any

from starlette.applications import Starlette
from starlette.types import Receive, Send

from hilum.config.schema import Settings
from hilum.core.broker import Broker
from hilum.core.login import Login

Makes = Callable[[Broker, Settings, Login, Starlette | None], Starlette]
"""Makes one, which takes the place of another; None: it is the first."""


class Current:
    """An ASGI application. Requests that have begun keep the one that they began with.

    Args:
        makes: makes one.
        broker: what it works with, as it is by then.
        settings: what it is made of.
        login: likewise.

    Attributes:
        settings: those of the one that answers by now.
    """

    def __init__(self, makes: Makes, broker: Broker, settings: Settings, login: Login) -> None:
        self.settings = settings
        self._makes = makes
        self._broker = broker
        self._now = self._made(login, None)

    def become(self, settings: Settings, login: Login) -> None:
        """Answer what begins from now on by other settings."""
        former, self.settings = self._now, settings
        self._now = self._made(login, former.application)
        former.last()

    def _made(self, login: Login, before: Starlette | None) -> "_Application":
        broker = self._broker.now()
        return _Application(self._makes(broker, self.settings, login, before), broker)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """ASGI."""
        now = self._now
        now.running += 1
        try:
            await now.application(scope, receive, send)
        finally:
            now.running -= 1
            if now is not self._now:
                now.left()


class _Application:
    """One of them.

    Attributes:
        running: requests that it answers now.
    """

    def __init__(self, application: Starlette, broker: Broker) -> None:
        self.application = application
        self.running = 0
        self._broker = broker
        self._uses = ExitStack()

    def last(self) -> None:
        """Let all mounts stay open until the requests have ended that run: some use one often."""
        if self.running:
            for each in self._broker.mounts:
                self._uses.enter_context(each.uses)

    def left(self) -> None:
        """One has ended."""
        if not self.running:
            self._uses.close()
