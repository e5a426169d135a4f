"""How instances are deleted, so that neither a crash nor the start after it undoes or halves it.

All rows of what is deleted go in one commit, which names their files as doomed; that commit is made
durable, then the files are removed, then it is answered. A crash before the commit has deleted
nothing. After it, the start removes what is doomed before it takes files in that have no row.
"""

import logging

from hilum.backends.archive.errands import Errands
from hilum.backends.archive.files import Files
from hilum.backends.archive.index import Index
from hilum.backends.archive.writer import Writer
from hilum.model.errors import BackendFault, NotFound
from hilum.model.identity import Ref

log = logging.getLogger(__name__)


async def remove(files: Files, writer: Writer, threads: Errands, ref: Ref) -> int:
    """Delete what is at and below `ref`; how many instances that were.

    Once begun it is done to the end, also where it is cancelled.

    Raises:
        NotFound: there is nothing.
        OutOfResources: the disk does not take the deletion; it may be seen all the same.
        BackendFault: files cannot be removed; they are, at the next start.
    """
    errand = threads.begin(_remove, files, writer, ref)
    cancelled = await errand.outlasted()
    count = errand.result()
    if cancelled is not None:
        raise cancelled
    return count


def _remove(files: Files, writer: Writer, ref: Ref) -> int:
    numbers = writer.remove(ref)
    if not numbers:
        raise NotFound("nothing is kept under these UIDs")
    try:
        # One that is still read goes later; it stays doomed, or a crash by then would bring it back
        writer.gone(files.clear(numbers))
    except OSError as error:
        log.exception("files of deleted instances could not be removed; the next start does it")
        raise BackendFault("it is deleted, but files could not be removed yet") from error
    return len(numbers)


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
