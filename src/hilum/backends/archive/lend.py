"""How an instance of the archive is lent: its own file, which nobody removes meanwhile."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final

from hilum.backends.archive.files import HEAD, Files
from hilum.backends.archive.locate import Located, locate
from hilum.backends.archive.readers import Readers
from hilum.core.backend import Lent
from hilum.model.errors import BackendFault, NotFound
from hilum.model.identity import Ref

_TRIES: Final = 3  # one that is replaced again and again while it is looked up is not waited for


@asynccontextmanager
async def lent(
    files: Files, readers: Readers, threads: ThreadPoolExecutor, ref: Ref
) -> AsyncIterator[Lent]:
    """See `core.backend.Lends`."""
    each = await _held(files, readers, ref)
    try:
        path = files.path(each.file)
        yield Lent(
            path=path,
            offset=HEAD,
            size=each.size,
            sop_class_uid=each.sop_class_uid,
            sop_instance_uid=each.sop_instance_uid,
            transfer_syntax_uid=each.transfer_syntax_uid,
            key=path,  # a file's number is never used twice
        )
    finally:
        if files.let_go(each.file):
            threads.submit(files.remove, each.file)


async def _held(files: Files, readers: Readers, ref: Ref) -> Located:
    """The instance, its file held; between the look-up and that it may have been replaced.

    Raises:
        NotFound: there is no such instance.
        BackendFault: its file is not there, or not whole.
    """
    before = -1
    for _ in range(_TRIES):
        found = await readers.soon(lambda cursor: locate(cursor, ref)) if ref.instance else []
        if len(found) != 1:
            raise NotFound("no such instance")
        each = found[0]
        files.hold(each.file)
        if files.is_there(each.file, each.size):
            return each
        files.let_go(each.file)
        if each.file == before:
            break
        before = each.file
    raise BackendFault("the file of this instance cannot be read")
