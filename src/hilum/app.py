"""What runs together: the configuration becomes mounts and peers, and the doors open on them."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from hilum.auditing import CannotAudit, open_audit
from hilum.authorising import CannotAuthorise, audited, open_login
from hilum.config.schema import Settings
from hilum.core.broker import Broker
from hilum.core.jobs import open_sends
from hilum.core.mounts import Mounts
from hilum.doors import Door, Doors
from hilum.model.errors import HilumError
from hilum.mounting import CannotMount, mounted
from hilum.net.inbox import Inbox
from hilum.net.rates import Rates
from hilum.net.tls import CannotLoad, Renewed
from hilum.net.worker import Worker
from hilum.service.signals import hangs_up
from hilum.state.state import State, open_state
from hilum.telling import CannotTell, open_telling
from hilum.watching import Watched, open_watching
from hilum.workshop.pool import open_workshop
from hilum.workshop.transcodes import Transcoder


class CannotStart(Exception):
    """Something in the surroundings must be put right first; the text is one line for each."""


@dataclass(slots=True)
class Listening:
    """Where the doors are: (address, port) by "dimse" and "http"."""

    doors: dict[str, tuple[str, int]] = field(default_factory=dict)


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
        try:
            found = await stack.enter_async_context(mounted(settings, inbox, worker, transcodes))
        except CannotMount as error:
            raise CannotStart(str(error)) from error
        state = await _state(settings, stack, worker) if settings.has_state else None
        issued, sessions = (None, None) if state is None else (state.tokens, state.sessions)
        try:
            audits = await stack.enter_async_context(open_audit(settings, is_first=not number))
            opening_login = open_login(settings.auth, issued, audited(audits), sessions=sessions)
            login = await stack.enter_async_context(opening_login)
        except CannotAudit as error:
            raise CannotStart(f"server.data: {error}") from error
        except CannotAuthorise as error:
            raise CannotStart(str(error)) from error
        watching = await stack.enter_async_context(open_watching(settings, worker))
        broker = Broker(
            *(found.mounts, found.destinations, login.policy, transcodes, audits),
            records=watching.records,
        )
        sends = None
        if state is not None and settings.has_http:
            mine = worker.is_home_of if worker is not None else lambda _mount: True
            opening = open_sends(broker, state.sends, mine=mine)
            sends = await stack.enter_async_context(opening)
        await _telling(settings, found.mounts, state, stack, worker)
        watched = Watched(found.mounts, workshop, sends, state)
        await stack.enter_async_context(watching.measuring(watched, is_first=not number))
        tls = await stack.enter_async_context(_renewed(settings))
        patients = None if state is None else state.patients
        doors = Doors(
            *(settings, broker, inbox, sends, workshop, stop, worker, tls, login, patients),
            rates=Rates(settings.limits),
            inspects=watching.inspects(watched),
            exposes=watching.exposes,
        ).open()
        listening = Listening()

        def started(name: str, host: str, port: int) -> None:
            listening.doors[name] = (host, port)
            if len(listening.doors) == len(doors):
                ready(listening)

        try:
            async with asyncio.TaskGroup() as group:
                for name, door in doors.items():
                    group.create_task(_open(name, settings, door, started))
        except BaseExceptionGroup as failures:
            refused, others = failures.split(CannotStart)
            if refused is None or others is not None:
                raise
            raise CannotStart("\n".join(str(each) for each in refused.exceptions)) from None


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
    mounts: Mounts,
    state: State | None,
    stack: AsyncExitStack,
    worker: Worker | None,
) -> None:
    """Have changes told to those who want to know."""
    if state is not None:
        try:
            await stack.enter_async_context(open_telling(settings, mounts, state, worker))
        except CannotTell as error:
            raise CannotStart(str(error)) from error


@asynccontextmanager
async def _renewed(settings: Settings) -> AsyncIterator[ssl.SSLContext | None]:
    """What the doors speak TLS with, if any does; its files are looked at, also on SIGHUP."""
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
            with hangs_up(renewed.renew):
                yield renewed.context
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
