"""What runs together: the configuration becomes mounts and peers, and the doors open on them."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from hilum.administering import open_desk
from hilum.auditing import CannotAudit, open_audit
from hilum.authorising import CannotAuthorise, Logins, audited, open_logins
from hilum.changing import Changing
from hilum.config.schema import Settings
from hilum.core.audit import Audits
from hilum.core.broker import Broker
from hilum.core.jobs import open_sends
from hilum.core.login import Login
from hilum.doors import Door, Doors
from hilum.model.errors import HilumError
from hilum.mounting import CannotMount, Mounted, Mounting, open_mounting
from hilum.net.inbox import Inbox
from hilum.net.rates import Rates
from hilum.net.tls import CannotLoad, Renewed
from hilum.net.worker import Worker
from hilum.notifying import subscribable
from hilum.service.reloading import Prepares
from hilum.state.state import State, open_state
from hilum.telling import CannotTell, open_telling
from hilum.watching import CannotWatch, Watched, Watching, open_watching
from hilum.workshop.pool import open_workshop
from hilum.workshop.transcodes import Transcoder


class CannotStart(Exception):
    """Something in the surroundings must be put right first; the text is one line for each."""


@dataclass(slots=True)
class Listening:
    """Where the doors are: (address, port) by "dimse" and "http".

    Attributes:
        change: makes ready what another configuration needs; None: that cannot be done.
    """

    doors: dict[str, tuple[str, int]] = field(default_factory=dict)
    change: Prepares | None = None


async def serve(
    settings: Settings,
    ready: Callable[[Listening], None],
    stop: asyncio.Event,
    worker: Worker | None = None,
) -> None:
    """Serve until `stop` is set; then let running work end, for as long as is configured.

    Args:
        settings: what to serve.
        ready: called once, when every door listens.
        stop: set from elsewhere in the same loop.
        worker: which of several processes this is; None: there is one.

    Raises:
        CannotStart: a folder, a lock or a port is not to be had.
    """
    async with AsyncExitStack() as stack:
        number = 0 if worker is None else worker.number
        crowd = None if worker is None else worker.crowd
        workers = 1 if worker is None else worker.workers
        workshop = await stack.enter_async_context(open_workshop(settings.imaging, workers))
        transcodes = Transcoder(workshop, settings.imaging, settings.transcoding / str(number))
        inbox = Inbox(settings.server.aet, settings.spill, crowd)
        mounting, found = await _mounts(settings, inbox, worker, transcodes, stack)
        state = await _state(settings, stack, worker) if settings.has_state else None
        audits, logins, login = await _logins(settings, state, stack, is_first=not number)
        watching = await _watching(settings, worker, stack)
        broker = Broker(
            *(found.mounts, found.destinations, login.policy, transcodes, audits),
            records=watching.records,
        )
        sends = None
        if state is not None and settings.has_http:
            mine = worker.is_home_of if worker is not None else lambda _mount: True
            opening = open_sends(broker, state.sends, mine=mine)
            sends = await stack.enter_async_context(opening)
        notified = await _telling(settings, broker, state, stack, worker)
        watched = Watched(broker, workshop, sends, state)
        await stack.enter_async_context(watching.measuring(watched, is_first=not number))
        renewed = await stack.enter_async_context(_renewed(settings))
        tls = None if renewed is None else lambda: renewed.context
        patients = None if state is None else state.patients
        doors = Doors(
            *(settings, broker, inbox, sends, workshop, stop, worker, tls, login, patients),
            subscriptions=subscribable(settings, state),
            rates=Rates(settings.limits),
            inspects=watching.inspects(watched),
            exposes=watching.exposes,
            desk=await stack.enter_async_context(
                open_desk(
                    lambda: watching.settings,
                    *(watching.underway.now, watching.recent.now, sends, state),
                    worker=number,
                )
            ),
        )
        opened = doors.open()
        doors.changes.append(lambda now, _login: watching.become(now))
        doors.changes.append(lambda now, _login: notified(now))
        changing = Changing(mounting, logins, renewed, broker, doors, worker)
        listening = Listening(change=changing.prepared)

        def started(name: str, host: str, port: int) -> None:
            listening.doors[name] = (host, port)
            if len(listening.doors) == len(opened):
                ready(listening)

        try:
            async with asyncio.TaskGroup() as group:
                for name, door in opened.items():
                    group.create_task(_open(name, settings, door, started))
        except BaseExceptionGroup as failures:
            refused, others = failures.split(CannotStart)
            if refused is None or others is not None:
                raise
            raise CannotStart("\n".join(str(each) for each in refused.exceptions)) from None


async def _mounts(
    settings: Settings,
    inbox: Inbox,
    worker: Worker | None,
    transcodes: Transcoder,
    stack: AsyncExitStack,
) -> tuple[Mounting, Mounted]:
    """What makes mounts, and the first that it has made."""
    try:
        mounting = await stack.enter_async_context(open_mounting(inbox, worker, transcodes))
        prepared = await mounting.prepared(settings)
    except CannotMount as error:
        raise CannotStart(str(error)) from error
    prepared.commit()
    return mounting, prepared.made


async def _logins(
    settings: Settings, state: State | None, stack: AsyncExitStack, *, is_first: bool
) -> tuple[Audits, Logins, Login]:
    """What keeps the audit, what makes logins, and the first that it has made."""
    issued, sessions = (None, None) if state is None else (state.tokens, state.sessions)
    try:
        audits = await stack.enter_async_context(open_audit(settings, is_first=is_first))
        opening = open_logins(issued, audited(audits), sessions)
        logins = await stack.enter_async_context(opening)
        prepared = await logins.prepared(settings.auth)
    except CannotAudit as error:
        raise CannotStart(f"server.data: {error}") from error
    except CannotAuthorise as error:
        raise CannotStart(str(error)) from error
    prepared.commit()
    return audits, logins, prepared.made


async def _state(settings: Settings, stack: AsyncExitStack, worker: Worker | None) -> State:
    """What outlives us: Sends in the background, and the tokens that were issued."""
    folder = settings.state
    try:
        opening = open_state(folder, shared=worker is not None)
        return await stack.enter_async_context(opening)
    except HilumError as error:
        raise CannotStart(f"server.data: {folder}: {error}") from error


async def _telling(
    settings: Settings,
    broker: Broker,
    state: State | None,
    stack: AsyncExitStack,
    worker: Worker | None,
) -> Callable[[Settings], None]:
    """Have changes told to those who want to know; gives what takes other settings."""
    if state is None:
        return lambda _settings: None
    try:
        return await stack.enter_async_context(open_telling(settings, broker, state, worker))
    except CannotTell as error:
        raise CannotStart(str(error)) from error


async def _watching(settings: Settings, worker: Worker | None, stack: AsyncExitStack) -> Watching:
    """Who watches."""
    try:
        return await stack.enter_async_context(open_watching(settings, worker))
    except CannotWatch as error:
        raise CannotStart(str(error)) from error


@asynccontextmanager
async def _renewed(settings: Settings) -> AsyncIterator[Renewed | None]:
    """What the doors speak TLS with, if any does; its files are looked at."""
    if not settings.tls_doors:
        yield None
        return
    try:
        renewed = Renewed(settings.tls)
    except CannotLoad as error:
        raise CannotStart(f"tls.{error}") from error
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(renewed.watch())
        try:
            yield renewed
        finally:
            watching.cancel()


async def _open(
    name: str, settings: Settings, door: Door, started: Callable[[str, str, int], None]
) -> None:
    """One door, whose failure to open is told in one line."""
    opened = False

    def listens(host: str, port: int) -> None:
        nonlocal opened
        opened = True
        started(name, host, port)

    try:
        await door(listens)
    except (OSError, ExceptionGroup) as error:
        first = _first(error)
        if opened or first is None:
            raise
        raise cannot_listen(name, settings, first) from error


def cannot_listen(name: str, settings: Settings, error: OSError) -> CannotStart:
    """Why a door does not open."""
    where = settings.doors[name]
    return CannotStart(
        f"{name}.port: cannot listen at {where.bind} port {where.port}: {reason(error)}"
    )


def _first(error: OSError | ExceptionGroup[Exception]) -> OSError | None:
    """The system's error, also where a door's own task group wrapped it."""
    if isinstance(error, OSError):
        return error
    return next(
        (_first(each) for each in error.exceptions if isinstance(each, (OSError, ExceptionGroup))),
        None,
    )


def reason(error: OSError) -> str:
    """Why, in the system's words, without the addresses that asyncio adds."""
    if error.errno is None or error.errno <= 0:  # a name that has no address
        return error.strerror or type(error).__name__
    return os.strerror(error.errno)
