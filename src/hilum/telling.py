"""Who is told of changes, and what is done for them? By one process for each mount: its home."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from hilum.config.schema import Settings
from hilum.core import work
from hilum.core.broker import Broker
from hilum.core.changes import TakesChanges, follow
from hilum.core.detecting import detect
from hilum.core.fhir.subscribing import Subscribing
from hilum.core.mounts import Mount
from hilum.core.queue import PUBLISH
from hilum.model.errors import HilumError
from hilum.net.worker import Worker
from hilum.notifying import looks, open_notifier
from hilum.state.state import State

if TYPE_CHECKING:
    from hilum.frontends.fhir.notified import Notifier


class CannotTell(Exception):
    """What is needed for it is not to be had; the text begins with its key."""


@dataclass(slots=True)
class _Told:
    """What is to be run.

    Attributes:
        takers: who wants to know of the changes of a mount, by its name.
        workers: what does the errands that they keep.
        notifier: what sends notifications, where this process does.
    """

    takers: dict[str, list[TakesChanges]] = field(default_factory=dict)
    workers: list[work.Worker] = field(default_factory=list)
    notifier: "Notifier | None" = None

    def wake(self) -> None:
        """There is something to be done."""
        for each in self.workers:
            each.wake()

    def become(self, settings: Settings) -> None:
        """Go by another configuration, as far as that can be."""
        if self.notifier is not None:
            self.notifier.become(settings)


@asynccontextmanager
async def open_telling(
    settings: Settings, broker: Broker, state: State, worker: Worker | None = None
) -> AsyncIterator[Callable[[Settings], None]]:
    """Have changes told, and errands done, until the block is left.

    Gives what takes other settings.

    Args:
        settings: who wants to be told.
        broker: what it is that changes.
        state: keeps what is to be done.
        worker: which of several processes this is; None: there is one.

    Raises:
        CannotTell: a file is not to be had.
    """
    async with AsyncExitStack() as stack:
        told, mounts = _Told(), broker.mounts
        name = f"{socket.gethostname()}/{0 if worker is None else worker.number}"
        for mount in mounts:
            is_ours = worker is None or worker.is_home_of(mount.name)
            if is_ours and mount.name in settings.published:
                stack.enter_context(mount.uses)  # until a restart, whatever becomes of the mount
                await _publish(settings, mount, state, name, stack, told)
            if is_ours and mount.name in settings.subscribed:
                stack.enter_context(mount.uses)  # as above
                taker = Subscribing(state.subscriptions, state.queue, told.wake)
                told.takers.setdefault(mount.name, []).append(taker)
        if settings.subscribed and (worker is None or not worker.number):
            await _notify(settings, broker, state, name, stack, told)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(each.run()) for each in told.workers]
                for followed in told.takers:
                    telling = _told_of(settings, broker, state, followed, told)
                    tasks.append(group.create_task(telling))
                try:
                    yield told.become
                finally:
                    for each in tasks:
                        each.cancel()
        except BaseExceptionGroup as failures:
            if len(failures.exceptions) != 1:
                raise
            raise failures.exceptions[0] from None  # what the block raised, as it was


async def _told_of(
    settings: Settings, broker: Broker, state: State, mount: str, told: _Told
) -> None:
    """Tell of the changes of a mount, for ever: it knows them, or they are to be found out."""
    feed, said, takers = broker.mounts[mount].feed, settings.mounts[mount].fhir, told.takers[mount]
    if feed is not None:
        await follow(mount, feed, takers, said.stable_after)
    elif said.poll is not None:
        look = looks(settings, broker, mount)
        await detect(mount, look, state.subscriptions, takers, said.poll)


async def _notify(  # noqa: PLR0913, PLR0917 - called in one place
    settings: Settings,
    broker: Broker,
    state: State,
    name: str,
    stack: AsyncExitStack,
    told: _Told,
) -> None:
    """Have subscribers notified."""
    try:
        opening = open_notifier(settings, broker, state, name)
        told.notifier, worker = await stack.enter_async_context(opening)
    except HilumError as error:
        raise CannotTell(f"fhir.subscriptions.ca_file: {error}") from error
    told.workers.append(worker)


async def _publish(  # noqa: PLR0913, PLR0917 - called in one place
    settings: Settings, mount: Mount, state: State, name: str, stack: AsyncExitStack, told: _Told
) -> None:
    """Have the studies of a mount brought to its FHIR server."""
    # Only where there is one:
    from hilum.backends.fhir.publish import Publishing, Source, open_publisher  # noqa: PLC0415
    from hilum.codec.fhir import endpoint  # noqa: PLC0415
    from hilum.core.fhir.systems import systems  # noqa: PLC0415

    publish = settings.published[mount.name]
    assert mount.finds is not None  # noqa: S101 - an archive does
    root = settings.http.public_root if settings.has_http else None
    source = Source(
        mount=mount.name,
        finds=mount.finds,
        patients=state.patients,
        systems=systems(settings.mounts[mount.name].fhir),
        address=None if root is None else f"{root}/aets/{quote(mount.name, safe='')}",
        services=(endpoint.WADO, endpoint.QIDO),
        max_instances=settings.fhir.max_instances,
    )
    try:
        publisher = await stack.enter_async_context(open_publisher(source, publish))
    except HilumError as error:
        raise CannotTell(f"mounts.{mount.name}.publish: {error}") from error
    worker = work.Worker(
        state.queue,
        PUBLISH,
        publisher.do,
        by=f"{name}/{mount.name}",
        at_once=publish.at_once,
        max_age=lambda _target: publish.max_age,
        only=[mount.name],
    )
    told.workers.append(worker)
    taker = Publishing(state.queue, worker.wake)
    told.takers.setdefault(mount.name, []).append(taker)
