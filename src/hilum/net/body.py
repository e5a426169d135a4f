"""What of a request's body waits for the application? Some pieces: its share, and no more."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from hilum.core.budget import Share
from hilum.net.guard import Message

AHEAD: Final = 2 * 1024 * 1024
"""Bytes that wait, the last piece aside; fewer where many others come."""
MOST: Final = 16  # pieces that wait

BODY: Final = "hilum.body"
"""Where the scope of a request has its `Body`, if the client has nothing more to say."""

_END: Final = {"type": "http.request", "body": b"", "more_body": False}
_GONE: Final = {"type": "http.disconnect"}


class Body:
    """The body of one request, between who reads it and the application.

    Args:
        room: set when a piece was taken.
    """

    __slots__ = ("_gone", "_pieces", "_room", "_share", "_told", "_waiter")

    def __init__(self, room: asyncio.Event) -> None:
        self._room = room
        self._pieces: deque[Message] = deque()
        self._share = Share()  # bytes that wait
        self._waiter: asyncio.Future[None] | None = None
        self._told: Callable[[], None] | None = None
        self._gone = False

    @property
    def has_more(self) -> bool:
        """Whether `receive` gives something at once."""
        return bool(self._pieces)

    def put(self, data: bytes | bytearray | None) -> bool:
        """Take a piece of the body, or None at its end; whether there was room."""
        if data is None:
            self._pieces.append(_END)
        elif self._is_full and not self._gone:
            return False
        else:
            self._share.take(len(data))
            self._pieces.append({"type": "http.request", "body": bytes(data), "more_body": True})
        self._wake()
        return True

    @property
    def _is_full(self) -> bool:
        if not self._pieces:
            return False
        share = self._share
        return len(self._pieces) >= MOST or share.held >= AHEAD or not share.room

    def close(self) -> None:
        """Nobody reads it any more."""
        self._pieces.clear()
        self._share.close()

    def leave(self) -> None:
        """The client is gone."""
        self._gone = True
        self._wake()
        if self._told is not None:
            self._told()

    def tell(self, told: Callable[[], None] | None) -> None:
        """Whom to call when the client goes, perhaps twice, or at once; None: nobody."""
        self._told = told
        if self._gone and told is not None:
            told()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self) -> Message:
        """ASGI's `receive`."""
        while not self._pieces:
            if self._gone:
                return _GONE
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self._room.set()
        message = self._pieces.popleft()
        self._share.give(len(message["body"]))
        return message
