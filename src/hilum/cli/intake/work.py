"""How the files get in: several readers, each with a session of its own."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from anyio import BrokenResourceError, CapacityLimiter, create_memory_object_stream, to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from hilum.cli.intake.account import Account
from hilum.cli.intake.ahead import Ahead
from hilum.cli.intake.files import Filed, Unreadable, below
from hilum.core.backend import Stores, StoreSession
from hilum.model.errors import HilumError

_BATCH = 64  # files looked up at a time

Told = Callable[[int, int | None], None]
"""Called with files done and files in all (None: not counted yet)."""


async def bring(
    paths: Sequence[Path], stores: Stores, readers: int, stop: asyncio.Event, told: Told
) -> Account:
    """Store every instance at and below `paths`.

    Args:
        paths: files and folders.
        stores: where to.
        readers: files that are on their way at the same time.
        stop: when it is set, what is on its way ends and no more is begun.
        told: hears how far it is.

    Raises:
        BackendError: `stores` cannot be reached.
    """
    began = time.monotonic()
    account = Account()
    limiter = CapacityLimiter(readers + 2)
    send, receive = create_memory_object_stream[Path]()  # a reader takes each when it is free
    try:
        async with asyncio.TaskGroup() as group:
            counting = group.create_task(_count(paths, limiter, stop))
            group.create_task(_feed(paths, send, limiter, stop))

            def dealt() -> None:
                told(account.done, counting.result() if counting.done() else None)

            with receive:
                for _ in range(readers):
                    group.create_task(
                        _reader(receive.clone(), stores, account, limiter, stop=stop, dealt=dealt)
                    )
    except BaseExceptionGroup as failures:
        known, others = failures.split(HilumError)
        if known is None or others is not None:
            raise
        raise known.exceptions[0] from None
    account.stopped = stop.is_set()
    account.seconds = time.monotonic() - began
    return account


async def _count(paths: Sequence[Path], limiter: CapacityLimiter, stop: asyncio.Event) -> int:
    def count() -> int:
        return sum(1 for _ in below(paths) if not stop.is_set())

    return await to_thread.run_sync(count, limiter=limiter)


async def _feed(
    paths: Sequence[Path],
    send: MemoryObjectSendStream[Path],
    limiter: CapacityLimiter,
    stop: asyncio.Event,
) -> None:
    """Hand out the files, looked up in a thread: a folder on a network takes its time."""
    files = below(paths)
    with send, suppress(BrokenResourceError):  # nobody takes them any more: the readers say why
        while batch := await to_thread.run_sync(_some, files, limiter=limiter):
            for path in batch:
                if stop.is_set():
                    return
                await send.send(path)


def _some(files: Iterator[Path]) -> list[Path]:
    return list(islice(files, _BATCH))


async def _reader(  # noqa: PLR0913 - all that a reader shares with the others
    files: MemoryObjectReceiveStream[Path],
    stores: Stores,
    account: Account,
    limiter: CapacityLimiter,
    *,
    stop: asyncio.Event,
    dealt: Callable[[], None],
) -> None:
    with files:
        async with stores.open() as session, Ahead(files, limiter) as ahead:
            async for path, instance in ahead:
                if stop.is_set():
                    break
                if isinstance(instance, Unreadable):
                    account.skip(path, str(instance))
                else:
                    await _file(path, instance, session, account)
                dealt()


async def _file(path: Path, instance: Filed, session: StoreSession, account: Account) -> None:
    try:
        stored = await session.store(instance)
    except HilumError as error:
        account.refuse(path, str(error))
    else:
        if stored.failure is not None:
            account.refuse(path, str(stored.failure))
        else:
            account.keep(instance.size or 0, (*instance.warnings, *stored.warnings))
