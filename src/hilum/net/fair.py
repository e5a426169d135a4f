"""Who has had more of this process than others have? That address lets the others go first.

All that is done for an address is counted, as seconds of the event loop and of threads, and is
forgotten as time goes by. While several addresses ask for something, those far above the average
wait at certain places (before a request, a piece of a body, an association) until the others have
nothing to do for a moment. They never wait for long, and where nobody else comes not at all.
"""

import asyncio
import ipaddress
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from time import perf_counter
from types import coroutine
from typing import Any, Final, TypeVar, TypeVarTuple
from weakref import WeakValueDictionary

TICK: Final = 0.1  # seconds after which is looked who is ahead
KEPT: Final = 0.9  # of what was counted is kept at each: it is about what was used in a second
BUSY: Final = 0.1  # seconds that nobody is blamed for
AHEAD: Final = 1.25  # times the average, from which on an address is ahead of the others
LEAST: Final = 0.0005  # seconds; who has used less is forgotten
CALM: Final = 0.015  # seconds without anything done for the others, after which one may go on
SHARE: Final = 0.4  # of the time that those who are ahead have in any case
SAVED: Final = 0.05  # seconds of it that they may save up
OWED: Final = 0.2  # seconds that they may use beyond it before they have earned them
LONGEST: Final = 2.0  # seconds that anything waits here
FAULT: Final = 0.002  # seconds that something malformed, or refused, counts besides
_PAUSE: Final = 0.001  # seconds between two looks

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_Waiter = asyncio.Future[None]


class Account:
    """What was done for one address.

    Attributes:
        used: seconds, of which it forgets a tenth at each `TICK`.
        is_ahead: it is to wait for others.
    """

    __slots__ = ("__weakref__", "_fair", "is_active", "is_ahead", "used", "waiting")

    def __init__(self, fair: "Fair") -> None:
        self._fair = fair
        self.used = 0.0
        self.is_ahead = self.is_active = False
        self.waiting: deque[tuple[float, _Waiter]] = deque()

    def spent(self, seconds: float) -> None:
        """Count what was done for it just now."""
        self.used += seconds
        if self.is_ahead:
            self._fair.saved = max(self._fair.saved - seconds, -OWED)
        else:
            self._fair.others_at = perf_counter()
            if not self.is_active:
                self._fair.begin(self)

    async def turn(self) -> None:
        """Return when it may go on; at once, unless it `is_ahead`."""
        if self.is_ahead:
            await self._fair.turn(self)


class Fair:
    """The accounts of all addresses.

    Attributes:
        inside: something that is counted runs now.
        others_at: when something was last done for those who are not ahead.
        saved: seconds that those who are ahead may use in any case.
    """

    def __init__(self) -> None:
        self._accounts: WeakValueDictionary[str, Account] = WeakValueDictionary()
        self._active: list[Account] = []
        self._queue: deque[Account] = deque()  # those for which somebody waits
        self._pumps = False
        self._looked = 0.0
        self.inside = False
        self.others_at = 0.0
        self.saved = 0.0

    @property
    def known(self) -> int:
        """Addresses that have an account now."""
        return len(self._accounts)

    def account(self, address: str) -> Account:
        """That of an address; of all of a network, where it is one of IPv6."""
        key = together(address)
        found = self._accounts.get(key)
        if found is None:
            found = self._accounts[key] = Account(self)
        return found

    def begin(self, account: Account) -> None:
        """Look after an account, until it is forgotten."""
        account.is_active = True
        if not self._active:
            asyncio.get_running_loop().call_later(TICK, self._tick)
        self._active.append(account)

    def _tick(self) -> None:
        self.forget()
        if self._active:
            asyncio.get_running_loop().call_later(TICK, self._tick)

    def forget(self) -> None:
        """Forget a tenth of everything, and see who is ahead."""
        for each in self._active:
            each.used *= KEPT
            each.is_active = each.used > LEAST
        self._active = [each for each in self._active if each.is_active]
        count = len(self._active)
        line = max(BUSY, AHEAD * sum(each.used for each in self._active) / count) if count else 0.0
        for each in self._active:
            each.is_ahead = count > 1 and each.used > line

    async def turn(self, account: Account) -> None:
        """Wait until it may go on that is ahead."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        if not account.waiting:
            self._queue.append(account)
        account.waiting.append((perf_counter(), waiter))
        if not self._pumps:
            self._pumps, self._looked = True, perf_counter()
            loop.call_soon(self._pump)
        await waiter

    def _pump(self) -> None:
        """Let one of those who wait go on, if the others have nothing to do."""
        now = perf_counter()
        self.saved = min(self.saved + SHARE * (now - self._looked), SAVED)
        self._looked = now
        may = now - self.others_at > CALM or self.saved > 0
        while self._queue:
            account = self._queue[0]
            since, waiter = account.waiting[0]
            if not (waiter.done() or may or not account.is_ahead or now - since > LONGEST):
                break
            account.waiting.popleft()
            self._queue.popleft()
            if account.waiting:
                self._queue.append(account)
            if not waiter.done():
                waiter.set_result(None)
                break
        self._pumps = bool(self._queue)
        if self._pumps:
            loop = asyncio.get_running_loop()
            if may:  # after what goes on now, and after what has come meanwhile
                loop.call_soon(self._pump)
            else:
                loop.call_later(_PAUSE, self._pump)


class Meter:
    """Counts the steps of a coroutine, and of those made in it, for an account.

    Attributes:
        account: that may change while it runs.
    """

    __slots__ = ("_fair", "account")

    def __init__(self, fair: Fair, account: Account) -> None:
        self._fair = fair
        self.account = account

    @property
    def counts(self) -> bool:
        """Whether what runs now is counted already."""
        return self._fair.inside

    def on_behalf(self, address: str) -> None:
        """Count for another address from now on."""
        self.account = self._fair.account(address)

    async def counted(self, work: Coroutine[Any, Any, T]) -> T:
        """The same coroutine."""
        _current.set(self)
        return await self._steps(work)

    @coroutine
    def _steps(self, work: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        fair, send, throw = self._fair, work.send, work.throw
        value: Any = None
        error: BaseException | None = None
        while True:
            is_within, fair.inside = fair.inside, True
            began = perf_counter()
            try:
                awaited = send(value) if error is None else throw(error)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                if not is_within:
                    fair.inside = False
                    self.account.spent(perf_counter() - began)
            value = error = None
            try:
                value = yield awaited
            except BaseException as thrown:  # noqa: BLE001 - it is the coroutine's
                error = thrown


_current: ContextVar[Meter | None] = ContextVar("meter", default=None)


def current() -> Account | None:
    """That of the request that is worked on; None: nobody counts."""
    meter = _current.get()
    return None if meter is None else meter.account


def counted(work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
    """A coroutine that becomes a task of its own, for the same account."""
    meter = _current.get()
    return work if meter is None else meter.counted(work)


async def in_turn(serve: Callable[[*Ts], Coroutine[Any, Any, T]], *request: *Ts) -> T:
    """Serve a request when it may go on."""
    meter = _current.get()
    if meter is None:
        return await serve(*request)
    own = meter.account
    if own.is_ahead:
        await own.turn()
    try:
        if meter.counts:  # whoever has read it, in the same task
            return await serve(*request)
        return await meter.counted(serve(*request))
    finally:
        meter.account = own  # whoever a proxy spoke for


def on_behalf(address: str) -> None:
    """What goes on is for that address, for which a proxy speaks, until the request has ended."""
    meter = _current.get()
    if meter is not None:
        meter.on_behalf(address)


def fault() -> None:
    """Something was malformed, or is refused: who often asks so goes behind the others."""
    meter = _current.get()
    if meter is not None:
        meter.account.spent(FAULT)


async def turn() -> None:
    """Within much work for one request: return when it may go on."""
    meter = _current.get()
    if meter is not None and meter.account.is_ahead:
        await meter.account.turn()


def together(address: str) -> str:
    """What is counted as one: an address; of IPv6 a network, as homes have."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))
