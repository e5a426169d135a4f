"""How many bytes does a request cost its caller? Counted both ways, and told when it has ended."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hilum.frontends.dicomweb.who import who
from hilum.model.principal import NOBODY
from hilum.net.rates import Rates


class Metered:
    """A layer of the application, where there is a limit on bytes.

    They count at the end, as who asks is known only by then; also where the request broke off.
    """

    def __init__(self, app: ASGIApp, rates: Rates) -> None:
        self._app = app
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        size = 0

        async def received() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            return message

        async def sent(message: Message) -> None:
            nonlocal size
            size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, received, sent)
        finally:
            caller = who(scope)
            if caller is not NOBODY:
                self._rates.spent(caller, size)
