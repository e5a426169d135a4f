"""How do connections come in that speak TLS? Each shakes hands by itself; who fails at it is told.

asyncio's own listener does the same, and keeps to itself who failed, and why.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from hilum.net.secured import Secured, scratch
from hilum.net.tls import HANDSHAKE, Speaks

log = logging.getLogger(__name__)

Refused = Callable[[str, str], None]
"""Is told the address of who came, and what was wrong."""

_MOST: Final = 1000  # handshakes at the same time
_PAUSE: Final = 1.0  # seconds without accepting where there are no descriptors left


def ignored(_address: str, _why: str, /) -> None:
    """Nobody wants to know."""


class Threshold:
    """One door that speaks TLS.

    Args:
        sockets: listen already.
        made: makes what serves a connection.
        speaks: gives what to speak with.
        refused: is told of who does not get over it.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        made: Callable[[], asyncio.BaseProtocol],
        speaks: Speaks,
        refused: Refused = ignored,
    ) -> None:
        self.sockets = tuple(sockets)
        self._made = made
        self._speaks = speaks
        self._refused = refused
        self._scratch = scratch()
        self._greeting: set[asyncio.Task[None]] = set()
        self._open = False

    def serve(self, tasks: asyncio.TaskGroup) -> None:
        """Accept connections from now on, each in one of `tasks` until it speaks TLS."""
        self._tasks = tasks
        self._open = True
        for each in self.sockets:
            each.settimeout(0)
            self._listen(each)

    def close(self) -> None:
        """Accept nothing any more; who is still at the handshake goes too."""
        loop = asyncio.get_running_loop()
        for each in self.sockets:
            if self._open and each.fileno() >= 0:
                loop.remove_reader(each.fileno())
            each.close()
        self._open = False
        for task in self._greeting:
            task.cancel()

    def _listen(self, listener: socket.socket) -> None:
        if self._open:
            asyncio.get_running_loop().add_reader(listener.fileno(), self._offered, listener)

    def _offered(self, listener: socket.socket) -> None:
        """Somebody wants to come in."""
        try:
            connection, address = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            log.error("no connection can be accepted for a while: %s", error.strerror)  # noqa: TRY400 - one line
            loop = asyncio.get_running_loop()
            loop.remove_reader(listener.fileno())
            loop.call_later(_PAUSE, self._listen, listener)
            return
        if len(self._greeting) >= _MOST:
            connection.close()
            return
        connection.settimeout(0)
        task = self._tasks.create_task(self._greeted(connection, str(address[0])))
        self._greeting.add(task)
        task.add_done_callback(self._greeting.discard)
        task.add_done_callback(lambda _: connection.close())  # if it was cancelled before it began

    async def _greeted(self, connection: socket.socket, address: str) -> None:
        """One connection, until it speaks TLS or is gone."""
        context = self._speaks()
        try:
            async with asyncio.timeout(HANDSHAKE):
                spoken = await _agreed(connection, context)
            try:
                Secured(spoken, context, self._made(), self._scratch)
            except OSError:
                spoken.close()
                raise
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            pass  # it went away
        except ssl.SSLError as error:
            self._refused(address, f"TLS: {_why(error)}")
        except OSError:  # it went away, or is too slow
            pass


async def _agreed(connection: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    """The connection once both have shaken hands; `connection` is closed then.

    Raises:
        ssl.SSLError: they do not agree.
        OSError: it went away.
    """
    loop = asyncio.get_running_loop()
    with connection:
        spoken = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
    try:
        while True:
            try:
                spoken.do_handshake()
            except ssl.SSLWantReadError:
                await _turn(spoken, loop.add_reader, loop.remove_reader)
            except ssl.SSLWantWriteError:
                await _turn(spoken, loop.add_writer, loop.remove_writer)
            else:
                return spoken
    except BaseException:
        spoken.close()
        raise


async def _turn(
    connection: socket.socket,
    watch: Callable[[int, Callable[[], None]], None],
    leave: Callable[[int], bool],
) -> None:
    """Return when it can go on."""
    here = asyncio.Event()
    watch(connection.fileno(), here.set)
    try:
        await here.wait()
    finally:
        leave(connection.fileno())


def _why(error: ssl.SSLError) -> str:
    said = getattr(error, "verify_message", "") or error.reason or "it is not understood"
    return said.replace("_", " ").lower()
