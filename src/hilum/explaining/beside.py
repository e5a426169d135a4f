"""May a caller do what is explained, as far as files tell? Beside a broker, or without one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from hilum.authorising import CannotAuthorise, open_login
from hilum.config.schema import Settings
from hilum.explaining.allowed import allowed, named
from hilum.explaining.request import Request
from hilum.model.errors import BadRequest

if TYPE_CHECKING:
    from hilum.state.tokens import Tokens


async def allowed_beside(
    request: Request, settings: Settings, name: str, token: str | None
) -> list[str]:
    """What decides for that caller, one line for each right that is needed.

    Args:
        request: which is explained.
        settings: what the rules are.
        name: who asks, as `allowed.named` takes it.
        token: what they show; with a name besides, that of the peer that shows it.

    Raises:
        HilumError: it is refused, or nobody can say.
    """
    try:
        async with (
            _issued(settings) as issued,
            open_login(settings.auth, issued, lambda _operation, _decision: None) as login,
        ):
            principal = await named(name, settings, issued)
            if token is not None and login.tokens is not None:
                shown = await login.tokens.verified(token)
                principal = replace(shown, ae_title=principal.ae_title)
            return allowed(request, settings, principal, login.policy)
    except CannotAuthorise as error:
        raise BadRequest(str(error)) from None


@asynccontextmanager
async def _issued(settings: Settings) -> AsyncIterator["Tokens | None"]:
    """Our own tokens, if there ever was one."""
    if not settings.auth.enabled or not settings.state.is_dir():
        yield None
        return
    from hilum.state.state import open_beside  # noqa: PLC0415 - most explain without

    async with open_beside(settings.state) as state:
        yield state.tokens
