"""How does one reader get what is being fetched? From the files, as they grow, at his own pace."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from copy import copy

from hilum.backends.cache.files import Opened, Threads
from hilum.backends.cache.holding import Holding, Piece
from hilum.backends.cache.share import Share, joined
from hilum.model.errors import BackendFault, HilumError
from hilum.model.instance import CHUNK, Instance, Listed

log = logging.getLogger(__name__)


class Reading:
    """One retrieval from holdings. `close` leaves no file open.

    Args:
        shares: what it takes of which.
    """

    def __init__(self, shares: Sequence[Share], threads: Threads) -> None:
        self._shares = shares
        self._threads = threads
        self._opened: Opened | None = None
        self._given: set[str] = set()

    async def enter(self) -> list[Listed] | None:
        """Wait until the far side answers; what will come, where that is known.

        Raises:
            HilumError: it failed, and nothing is here.
        """
        listed: dict[str, Listed] = {}
        known = True
        for share in self._shares:
            held = share.holding
            while not (held.entered or share.ended()):
                await held.changed()
            if share.ended() and not share.arrived():
                error = share.shortfall()
                if error is not None:
                    raise error
            manifest = share.manifest()
            known &= manifest is not None
            listed |= {each.sop_instance_uid: each for each in manifest or ()}
        return list(listed.values()) if known else None

    async def instances(self) -> AsyncGenerator[Instance, None]:
        """One after another; the file of the last is closed before the next.

        Raises:
            Incomplete: behind the last, when not all came.
            HilumError: behind the last, when nobody knows what there would have been.
        """
        errors: list[HilumError] = []
        for share in self._shares:
            async for piece in self._pieces(share):
                self.close()
                yield Instance(
                    piece.sop_instance_uid,
                    piece.sop_class_uid,
                    piece.transfer_syntax_uid,
                    self._chunks(share.holding, piece),
                    piece.size,
                )
            error = share.shortfall(self._given)
            if error is not None:
                errors.append(error)
        error = joined(errors)
        if error is not None:
            raise error

    async def _pieces(self, share: Share) -> AsyncIterator[Piece]:
        held = share.holding
        place = 0
        last: frozenset[str] | None = None
        while True:
            while place < len(held.pieces):
                piece = held.pieces[place]
                place += 1
                if piece.sop_instance_uid not in self._given and share.takes(piece):
                    self._given.add(piece.sop_instance_uid)
                    yield piece
            if held.ended:
                return
            if last is None:
                last = share.last()
            if last is not None and last <= self._given:
                return
            await held.changed()

    async def _chunks(self, held: Holding, piece: Piece) -> AsyncIterator[bytes]:
        """The data set, as far as it is there and then as it comes.

        Raises:
            HilumError: no more of it comes, or it cannot be read.
        """
        self.close()
        opened = self._opened = Opened(held.path(piece))
        position = 0
        try:
            if piece.whole and 0 < piece.written <= CHUNK:
                yield await self._threads.run(opened.read_all, piece.offset, piece.written)
                return
            while True:
                while position < piece.written:
                    length = min(CHUNK, piece.written - position)
                    data = await self._threads.run(opened.read, piece.offset + position, length)
                    position += length
                    yield data
                if piece.whole:
                    return
                if piece.error is not None:
                    raise copy(piece.error)
                await held.changed()
        except OSError as error:
            log.exception("%s cannot be read", held.path(piece))
            held.doomed = True  # who asks next has it fetched again
            raise BackendFault("the file of this instance cannot be read") from error
        finally:
            opened.close()

    def close(self) -> None:
        """Close what is open."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()
