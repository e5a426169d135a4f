"""How is one instance of a holding lent? As the file that it lies in, once that is whole."""

import os
from copy import copy

from hilum.backends.cache.share import Share
from hilum.core.backend import Lent
from hilum.model.errors import BackendFault, NotFound


async def lent(share: Share, sop_instance_uid: str) -> Lent:
    """The instance, once all of it is here.

    Raises:
        NotFound: there is none.
        HilumError: it does not come.
    """
    held = share.holding
    while sop_instance_uid not in held.here:
        if held.ended:
            raise share.shortfall() or NotFound("no such instance")
        broken = [each for each in held.pieces if each.sop_instance_uid == sop_instance_uid]
        if broken and broken[-1].error is not None and not held.jobs:
            raise copy(broken[-1].error)  # who comes again finds it tried again
        await held.changed()
    piece = held.here[sop_instance_uid]
    path = str(held.path(piece))
    if not _is_there(path, piece.offset + piece.written):
        held.doomed = True  # who asks next has it fetched again
        raise BackendFault("the file of this instance cannot be read")
    return Lent(
        path=path,
        offset=piece.offset,
        size=piece.written,
        sop_class_uid=piece.sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        transfer_syntax_uid=piece.transfer_syntax_uid,
        key=path,  # each retrieval has a folder of its own, whose name is not used again
    )


def _is_there(path: str, size: int) -> bool:
    try:
        return os.stat(path).st_size == size  # noqa: PTH116 - the path is text, as in the archive
    except OSError:
        return False
