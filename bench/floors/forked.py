"""The barest server: a process for each connection, blocking sockets, and nothing else."""

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

_BACKLOG = 64
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)  # Linux's


def serve(port: int, handle: Callable[[socket.socket], None]) -> None:
    """Have each connection handled in a process of its own, for ever."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that end
    with socket.create_server(("127.0.0.1", port), backlog=_BACKLOG) as listener:
        while True:
            connection, _ = listener.accept()
            if os.fork():
                connection.close()
                continue
            listener.close()
            with suppress(OSError, EOFError), connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                handle(connection)
            os._exit(0)


def received(connection: socket.socket, into: memoryview) -> int:
    """How many bytes came; they are acknowledged at once, as some wait for it (Nagle's delay).

    Raises:
        EOFError: the other side has closed.
    """
    count = connection.recv_into(into)
    if not count:
        raise EOFError
    if _QUICKACK is not None:
        connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
    return count
