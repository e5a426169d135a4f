"""The bytes of one instance of a C-GET: when they are here, and when the PACS is told so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from hilum.model.errors import BackendTimeout, HilumError, OutOfResources
from hilum.model.instance import Piece, gathering
from hilum.upper_layer.association import Association
from hilum.upper_layer.messages import Message
from hilum.upper_layer.receiving import confirm, refuse


class Chunks(AsyncIterator[bytes]):
    """The data set of one instance. It is answered once all of it is here, read or not.

    So the PACS makes the next one ready while the reader still sends this one on.

    Attributes:
        is_over: it was read to its end, or broke off.
    """

    def __init__(
        self,
        association: Association,
        message: Message,
        rest: AsyncIterator[bytes],
        deadline: float,
    ) -> None:
        self.association = association
        self.message = message
        self.is_over = False
        self._rest = rest
        self._following = gathering(rest)
        self._deadline = deadline
        self._is_answered = False

    async def __anext__(self) -> bytes:
        """The next piece.

        Raises:
            BackendError: the rest does not come.
        """
        if self.is_over:
            raise StopAsyncIteration
        try:
            self._hurry()
            if not self._is_answered and await self._is_here():
                await self._answer(leave=False)
            return await anext(self._rest)
        except StopAsyncIteration:
            self.is_over = True
            if not self._is_answered:
                await self._answer(leave=True)
            raise
        except HilumError:
            self.is_over = True
            raise

    async def several(self, enough: int) -> list[Piece]:
        """What is here once all has come, or `enough` bytes; see `DataStream.several`.

        Raises:
            BackendError: the rest does not come.
        """
        if self.is_over:
            return []
        try:
            self._hurry()
            pieces = await self._following(enough)
            self.is_over = not pieces
            data = self.message.data
            is_here = data is not None and data.is_whole
            if not self._is_answered and (self.is_over or is_here):
                await self._answer(leave=self.is_over)
        except HilumError:
            self.is_over = True
            raise
        return pieces

    def _hurry(self) -> None:
        """Raises BackendTimeout when it is too late."""
        if asyncio.get_running_loop().time() > self._deadline:
            late = BackendTimeout("the retrieval took longer than it may")
            self.association.abort(str(late), told=late)
            raise late

    async def leave(self) -> None:
        """Turn it away, as its reader does not want it; too late where it was answered already.

        Raises:
            HilumError: the association was lost.
        """
        self.is_over = True
        if self._is_answered:
            self.message.leave()
        else:
            await refuse(self.association, self.message, OutOfResources("its reader left it"))

    async def _is_here(self) -> bool:
        data = self.message.data
        return data is not None and await data.gathered()

    async def _answer(self, *, leave: bool) -> None:
        self._is_answered = True
        with suppress(HilumError):  # it is here, whatever becomes of the association
            await confirm(self.association, self.message, leave=leave)
