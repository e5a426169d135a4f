"""For whom is this done? What a backend may show to the far side as the caller's own.

Set by the broker around each operation, and read where a request leaves for a far side. A task that
is begun within an operation belongs to it, and keeps its caller; elsewhere there is none.
See architecture/decisions/0014-tokens-passed-on.md.
"""

from collections.abc import Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    contextmanager,
    nullcontext,
)
from contextvars import ContextVar, Token
from hashlib import sha256
from types import TracebackType
from typing import Final, Generic, TypeVar

from hilum.core.records import Running
from hilum.model.errors import Unauthenticated
from hilum.model.principal import NOBODY, Principal

T_co = TypeVar("T_co", covariant=True)

_CALLER: ContextVar[Principal] = ContextVar("caller", default=NOBODY)
_UNCOUNTED: Final[AbstractContextManager[None]] = nullcontext()


def token() -> str:
    """The caller's, verified at the door, as it came.

    Raises:
        Unauthenticated: there is no caller, or none with a token that others would know.
    """
    found = _CALLER.get().token
    if not found:
        raise Unauthenticated("this needs a token that can be passed on to where the images are")
    return found


def whose() -> str:
    """Parts what was got with one token from what was got with any other; is none itself.

    Raises:
        Unauthenticated: as `token`.
    """
    return sha256(token().encode()).hexdigest()


def everybodys() -> str:
    """What stands instead of `whose` where callers share what was got."""
    return ""


@contextmanager
def acting_for(who: Principal, uses: AbstractContextManager[None] = _UNCOUNTED) -> Iterator[None]:
    """What is done in the block, and in tasks begun there, is done for that caller.

    Args:
        who: that is.
        uses: entered as long as it is done.
    """
    before = _CALLER.set(who)
    try:
        with uses:
            yield
    finally:
        _CALLER.reset(before)


class Acting(AbstractAsyncContextManager[T_co], Generic[T_co]):
    """Something that is opened, used and closed for one caller; all of it in one task.

    Args:
        who: for whom.
        opened: is opened.
        running: is told when it begins and ends; None: nobody is.
        uses: entered from the beginning to the end.
    """

    def __init__(
        self,
        who: Principal,
        opened: AbstractAsyncContextManager[T_co],
        running: Running | None = None,
        uses: AbstractContextManager[None] = _UNCOUNTED,
    ) -> None:
        self._who = who
        self._opened = opened
        self._running = running
        self._uses = uses
        self._before: Token[Principal] | None = None

    async def __aenter__(self) -> T_co:
        self._before = _CALLER.set(self._who)
        self._uses.__enter__()
        if self._running is not None:
            self._running.began()
        try:
            return await self._opened.__aenter__()
        except BaseException as error:
            self._leave(error)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        try:
            swallowed = await self._opened.__aexit__(kind, error, traceback)
        except BaseException as last:
            self._leave(last)
            raise
        self._leave(None if swallowed else error)
        return swallowed

    def _leave(self, error: BaseException | None) -> None:
        if self._before is not None:
            _CALLER.reset(self._before)
            self._before = None
            self._uses.__exit__(None, None, None)
            if self._running is not None:
                self._running.ended(error)
