"""DIMSE messages as they come: a command, and a data set that streams behind it (PS3.7 §6.3)."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from hilum.codec.dimse import Command
from hilum.model.errors import BackendTimeout, HilumError, TooLarge
from hilum.model.instance import Piece

MESSAGE_COST = 1024  # bytes counted for each unread message, so that many small ones stop us too
PIECE_COST = 64  # bytes counted for each unread piece, beside those in it
JOINED = 256 * 1024  # bytes, the most that is made of small pieces
PENDING = (0xFF00, 0xFF01)  # statuses after which more responses come (PS3.4 Table C.4-1)
MAX_IDENTIFIER = 1024 * 1024  # bytes in an identifier that is read whole: 16,000 UIDs


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context.

    Attributes:
        we_may_ask: we hold the SCU role on it.
        peer_may_ask: the peer holds the SCU role on it.
    """

    id: int
    abstract_syntax: str
    transfer_syntax: str
    we_may_ask: bool
    peer_may_ask: bool


class DataStream(AsyncIterator[bytes]):
    """An encoded data set that is still arriving; read by one task, once.

    Args:
        kept: called with the bytes that enter the stream, so that the sender can be stopped;
            whether it was: then nothing more comes before these are read.
        taken: called with those that leave it, so that the sender can be let go on.
    """

    def __init__(self, kept: Callable[[int], bool], taken: Callable[[int], None]) -> None:
        self._pieces: deque[Piece] = deque()
        self._size = 0  # of them, with what each costs
        self._enough = 0  # so much must be here before the reader is woken
        self._kept = kept
        self._taken = taken
        self._stopped = False
        self._whole = False
        self._unwanted = False
        self._error: HilumError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def put(self, piece: Piece, *, last: bool) -> None:
        """Take in what the network gave."""
        if piece and not self._unwanted:
            self._pieces.append(piece)
            cost = len(piece) + PIECE_COST
            self._size += cost
            self._stopped = self._kept(cost)
        self._whole = last
        if last or self._stopped or self._size >= self._enough:
            self._wake()

    def fail(self, error: HilumError) -> None:
        """Say that the rest will never come."""
        if not self._whole:
            self._error = error
        self._wake()

    def discard(self) -> None:
        """Throw away what is here and what will come."""
        if self._whole and not self._pieces:
            return
        self._unwanted = True
        self._all()
        self._wake()

    async def drain(self) -> None:
        """Throw away what is here and what will come; return when all of it has come.

        Raises:
            HilumError: the association was lost.
        """
        if not self._whole or self._pieces:
            async for _ in self:
                pass

    async def gathered(self) -> bool:
        """Take in what has come meanwhile; whether the data set is whole now.

        Its sender can then be answered, and goes on while the pieces are still being read.
        """
        while not self._whole and self._error is None:
            here = len(self._pieces)
            await asyncio.sleep(0)
            if len(self._pieces) == here:
                break
        return self._whole

    @property
    def is_whole(self) -> bool:
        """Whether all of it has come, read or not."""
        return self._whole

    async def several(self, enough: int) -> list[Piece]:
        """What is here once all has come, or `enough` bytes of it, or as much as may; else nothing.

        For who can use it as it is: the reader is woken once, and nothing is joined.

        Args:
            enough: less than makes us stop the peer (`UNREAD_HIGH`).

        Raises:
            HilumError: as from reading.
        """
        while not self._whole and not self._unwanted:
            if self._pieces and (self._stopped or self._size >= enough):
                break
            if self._error is not None:
                raise self._error
            self._enough = enough
            try:
                await self._wait()
            finally:
                self._enough = 0
        return self._all()

    def _all(self) -> list[Piece]:
        pieces = [*self._pieces]
        self._pieces.clear()
        size, self._size = self._size, 0
        self._taken(size)
        return pieces

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._whole or self._unwanted:
                raise StopAsyncIteration
            await self._wait()
        piece = self._take()
        return self._joined(piece) if self._pieces else bytes(piece)

    def _take(self) -> Piece:
        piece = self._pieces.popleft()
        cost = len(piece) + PIECE_COST
        self._size -= cost
        self._taken(cost)
        return piece

    def _joined(self, piece: Piece) -> bytes:
        """That piece and those behind it that are here: many peers send 16 KiB at a time."""
        size, several = len(piece), [piece]
        while self._pieces and size + len(self._pieces[0]) <= JOINED:
            piece = self._take()
            size += len(piece)
            several.append(piece)
        return b"".join(several)

    async def read(self, limit: int = MAX_IDENTIFIER) -> bytes:
        """The whole data set.

        Raises:
            TooLarge: it is longer than `limit` bytes; the rest is thrown away.
            HilumError: the association was lost.
        """
        if self._whole and len(self._pieces) == 1 and len(self._pieces[0]) <= limit:
            return bytes(self._take())
        pieces, size = [], 0
        async for piece in self:
            size += len(piece)
            if size > limit:
                self.discard()
                raise TooLarge(f"a data set of more than {limit} bytes is not taken here")
            pieces.append(piece)
        return b"".join(pieces)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


@dataclass(eq=False, slots=True)
class Message:
    """A request or a response; not frozen, as it is made so often."""

    context: Context
    command: Command
    data: DataStream | None

    async def identifier(self) -> bytes:
        """The data set, read whole; empty when there is none."""
        return await self.data.read() if self.data is not None else b""

    def leave(self) -> None:
        """Throw away what was not read of the data set."""
        if self.data is not None:
            self.data.discard()


class Responses(AsyncIterator[Message]):
    """The responses to one request, as they come, up to and with the final one.

    Those of a C-GET have the peer's own requests between them, where that was asked for.

    Args:
        command_field: that the responses have.
        taken: called with the bytes that leave, so that the sender can be let go on.
        timeout: seconds the peer may take for each.

    Attributes:
        answer: Command Field (0000,0100) of a response to the request.
        final: the final response has arrived.
        asked: the request has left, so that the peer owes an answer.
    """

    def __init__(self, command_field: int, taken: Callable[[int], None], timeout: float) -> None:
        self.command_field = command_field
        self._messages: deque[Message] = deque()
        self._taken = taken
        self._timeout = timeout
        self._waiter: asyncio.Future[None] | None = None
        self._error: HilumError | None = None
        self._current: Message | None = None
        self._given_final = False
        self.final = False
        self.asked = False

    def put(self, message: Message) -> None:
        """Take in what the network gave."""
        self._messages.append(message)
        self.final = self.final or _is_final(message.command)
        self._wake()

    def fail(self, error: HilumError) -> None:
        """Say that no more will come."""
        self._error = error
        self._wake()

    def close(self) -> None:
        """Throw away what was not read."""
        while self._messages:
            self._taken(MESSAGE_COST)
            self._messages.popleft().leave()
        if self._current is not None:
            self._current.leave()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def is_here(self) -> bool:
        """Whether the next one need not be waited for."""
        return bool(self._messages)

    async def _wait(self) -> None:
        """Return when something has come; not `asyncio.timeout`, which costs several times it."""
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        timer = loop.call_later(self._timeout, _expire, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    async def __anext__(self) -> Message:
        if self._current is not None:
            self._current.leave()
            self._current = None
        if self._given_final:
            raise StopAsyncIteration
        while not self._messages:
            if self._error is not None:
                raise self._error
            await self._wait()
        self._current = self._messages.popleft()
        self._taken(MESSAGE_COST)
        self._given_final = _is_final(self._current.command)
        return self._current


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(BackendTimeout("the peer did not answer in time"))


def _is_final(command: Command) -> bool:
    return command.status not in PENDING and command.is_response
