"""How instances are deleted, so that neither a crash nor the start after it undoes or halves it.

All rows of what is deleted go in one commit, which names their files as doomed; that commit is made
durable, then the files are removed, then it is answered. A crash before the commit has deleted
nothing. After it, the start removes what is doomed before it takes files in that have no row.
"""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from hilum.backends.archive.files import Files
from hilum.backends.archive.index import Index
from hilum.backends.archive.outlast import outlast
from hilum.backends.archive.writer import Removal, Writer
from hilum.model.errors import BackendFault, NotFound
from hilum.model.identity import Ref

log = logging.getLogger(__name__)


async def remove(files: Files, writer: Writer, threads: ThreadPoolExecutor, ref: Ref) -> int:
    """Delete what is at and below `ref`; how many instances that were.

    Once begun it is done to the end, also where it is cancelled.

    Raises:
        NotFound: there is nothing.
        OutOfResources: the disk does not take the deletion; it may be seen all the same.
        BackendFault: files cannot be removed; they are, at the next start.
    """
    loop = asyncio.get_running_loop()
    removal = Removal(ref, loop.create_future(), loop)
    writer.put(removal)
    cancelled = await outlast(removal.done)
    numbers = removal.done.result()
    if not numbers:
        raise NotFound("nothing is kept under these UIDs")
    clearing = loop.run_in_executor(threads, _clear, files, writer, numbers)
    cancelled = await outlast(clearing) or cancelled
    try:
        clearing.result()
    except OSError as error:
        log.exception("files of deleted instances could not be removed; the next start does it")
        raise BackendFault("it is deleted, but files could not be removed yet") from error
    if cancelled is not None:
        raise cancelled
    return len(numbers)


def _clear(files: Files, writer: Writer, numbers: Sequence[int]) -> None:
    # One that is still read goes later: it stays doomed, or a crash by then would bring it back.
    writer.gone(files.clear(numbers))


def finish(index: Index, files: Files) -> None:
    """Remove what is still there of what was deleted, before anybody looks at the files.

    Raises:
        OSError, sqlite3.Error: the disk fails.
    """
    numbers = index.doomed()
    if not numbers:
        return
    left = sum(files.exists(number) for number in numbers)
    files.clear(numbers)
    index.begin()
    index.bury(numbers)
    index.commit()
    if left:
        log.warning("%d files of deleted instances were still there, and are removed", left)
