"""How the keeping of a mount's retrievals begins and ends."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from hilum.backends.cache import files
from hilum.backends.cache.files import Threads
from hilum.backends.cache.kept import Kept
from hilum.config.mounts import Remote
from hilum.core.backend import Retrieves
from hilum.model.errors import BackendUnavailable
from hilum.state.lock import Lock

_THREADS = 8  # that read and write files


@asynccontextmanager
async def open_kept(
    name: str, settings: Remote, retrieves: Retrieves, folder: Path
) -> AsyncIterator[Kept]:
    """What keeps the retrievals of a mount in `folder`, which is made when it is not there.

    Args:
        name: the mount's, for the log.
        settings: the mount's.
        retrieves: where they come from.
        folder: for nobody else; on a local disk.

    Raises:
        BackendUnavailable: another process has the folder, or it cannot be used.
    """
    failed: BaseException | None = None
    with ThreadPoolExecutor(_THREADS, thread_name_prefix=f"kept {name}") as executor:
        threads = Threads(executor)
        try:
            await threads.run(files.make, folder)
            lock = await threads.run(Lock, folder, "the folder of retrievals")
        except OSError as error:
            raise BackendUnavailable(
                f"the folder of retrievals cannot be used: {error.strerror or error}"
            ) from error
        try:
            async with asyncio.TaskGroup() as group:
                kept = Kept(settings, retrieves, folder, threads, group)
                await kept.start()
                sweeper = group.create_task(kept.sweep())
                try:
                    yield kept
                except BaseException as error:  # noqa: BLE001 - raised below: not in a group
                    failed = error
                finally:
                    sweeper.cancel()
                    await kept.close()
        finally:
            lock.release()
    if failed is not None:
        raise failed
