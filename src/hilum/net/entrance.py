"""How do connections come in? Several processes have one door.

All have the same listening socket, which the supervisor opened. Whoever has nothing to do takes
the next connection, one in each turn of its loop; who has more than another waits a moment for it.
What somebody else must have is handed on. A worker that dies takes nothing with it that it has not
accepted, and no other program can listen at the same port, as it could with SO_REUSEPORT.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from hilum.net.crowd import Crowd
from hilum.net.letters import Letters

log = logging.getLogger(__name__)

_TITLES: Final = 42
"""Bytes of an A-ASSOCIATE-RQ up to the end of its AE titles (PS3.8 Table 9-11)."""
_CALLED, _CALLING = slice(10, 26), slice(26, 42)
_REQUEST = b"\x01"
_UNSORTED: Final = 400  # connections whose head may be awaited at the same time
_GRACE: Final = 0.002  # seconds for those who have fewer connections to take one
_AGAIN: Final = 0.02  # seconds between two looks at an incomplete head
_PAUSE: Final = 1.0  # seconds without accepting where there are no descriptors left

Made = Callable[[bytes], asyncio.BaseProtocol]
"""Makes what serves a connection of which these bytes were read already."""
Whose = Callable[[str, str, str], Awaitable[int | None]]
"""Who must have an association: called and calling AE title, address."""


class Entrance:
    """One door of one worker.

    Args:
        name: "dimse", "http" or "admin".
        listener: listens already.
        number: of this worker.
        letters: brings what others accepted.
        crowd: how many connections each worker has.
        doors: how many this worker has.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a door is made of
        self,
        name: str,
        listener: socket.socket,
        number: int,
        letters: Letters,
        crowd: Crowd,
        doors: int,
    ) -> None:
        self.name = name
        self.sockets = [listener]
        self.number = number
        self.letters = letters
        self._crowd = crowd
        self._doors = doors
        self._open = False
        self._sorting: set[asyncio.Task[None]] = set()

    def serve(
        self,
        tasks: asyncio.TaskGroup,
        made: Made,
        whose: Whose | None = None,
        patience: float = 0.0,
    ) -> None:
        """Accept connections from now on.

        Args:
            tasks: where each comes in.
            made: makes what serves it.
            whose: who must have it; None: that turns out later.
            patience: seconds for its head to come, where that tells whose it is.
        """
        self._tasks, self._made, self._whose, self._patience = tasks, made, whose, patience
        self._open = True
        for each in self.sockets:
            each.settimeout(0)
        self._listen()
        self.letters.open(self.name, self._taken, all_doors=self._doors)

    def _listen(self) -> None:
        if self._open:
            for each in self.sockets:
                asyncio.get_running_loop().add_reader(each.fileno(), self._offered, each)

    def close(self) -> None:
        """Accept nothing any more."""
        if self._open:
            self._open = False
            self._deafen()
            self.letters.shut(self.name)
            for task in self._sorting:
                task.cancel()
            for each in self.sockets:
                each.close()

    def _deafen(self) -> None:
        for each in self.sockets:
            asyncio.get_running_loop().remove_reader(each.fileno())

    def _offered(self, listener: socket.socket) -> None:
        """Somebody wants to come in."""
        if not self._crowd.is_fuller(self.name):
            self._accept(listener)
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener.fileno())
        loop.call_later(_GRACE, self._left_over, listener)

    def _left_over(self, listener: socket.socket) -> None:
        """Those who have fewer had their time."""
        if self._open:
            self._accept(listener)
            self._listen()

    def left(self) -> None:
        """One of the connections that were served has ended."""
        self._crowd.connected(self.name, -1)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, address = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was quicker
        except OSError as error:
            log.error("no connection can be accepted for a while: %s", error.strerror)  # noqa: TRY400 - one line
            self._deafen()
            asyncio.get_running_loop().call_later(_PAUSE, self._listen)
            return
        connection.settimeout(0)
        self._crowd.connected(self.name, 1)
        if self._whose is None:
            self._tasks.create_task(self._served(connection, b""))
        elif len(self._sorting) >= _UNSORTED:
            self._close(connection)
        else:
            task = self._tasks.create_task(self._sorted(connection, str(address[0]), self._whose))
            self._sorting.add(task)
            task.add_done_callback(self._sorting.discard)

    def _close(self, connection: socket.socket) -> None:
        connection.close()
        self.left()

    def _taken(self, connection: socket.socket, data: bytes) -> None:
        """One that another worker has accepted."""
        self._crowd.connected(self.name, 1)
        self._tasks.create_task(self._served(connection, data))

    async def _served(self, connection: socket.socket, data: bytes) -> None:
        try:
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(lambda: self._made(data), connection)
        except OSError:
            self._close(connection)

    async def _sorted(self, connection: socket.socket, address: str, whose: Whose) -> None:
        """One of which nothing was read as yet, and nothing is here: its head stays in it."""
        try:
            head = await self._head(connection)
            home = None
            if len(head) == _TITLES and head[:1] == _REQUEST:
                home = await whose(_title(head[_CALLED]), _title(head[_CALLING]), address)
            if home is None or home == self.number:
                await self._served(connection, b"")
                return
            await self.letters.send(home, self.name, connection, b"")
        except OSError as error:
            log.warning("a connection could not be handed on: %s", error.strerror or error)
        except BaseException:
            self._close(connection)
            raise
        self._close(connection)

    async def _head(self, connection: socket.socket) -> bytes:
        """What is there of its first bytes; all, unless the peer leaves or takes too long."""
        head = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await _readable(connection)
                head = connection.recv(_TITLES, socket.MSG_PEEK)
                while head[:1] == _REQUEST and len(head) < _TITLES:
                    await asyncio.sleep(_AGAIN)
                    head = connection.recv(_TITLES, socket.MSG_PEEK)
        return head


async def _readable(connection: socket.socket) -> None:
    """Return when there is something to read, or its end."""
    loop = asyncio.get_running_loop()
    here = asyncio.Event()
    loop.add_reader(connection.fileno(), here.set)
    try:
        await here.wait()
    finally:
        loop.remove_reader(connection.fileno())


def _title(raw: bytes) -> str:
    return raw.decode("latin-1").strip(" \0")
