"""Where does the DIMSE door listen? One port or two, and how it stops to take more."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterable
from typing import Final

from hilum.config.schema import Settings
from hilum.net.entrance import Entrance
from hilum.net.tls import HANDSHAKE
from hilum.net.worker import Worker
from hilum.upper_layer.association import Association

BACKLOG: Final = 128  # connections that wait to be accepted
_HANDING_OVER: Final = 5  # rounds of the event loop from accepting a connection to its association


async def opened(
    made: Callable[[], Association],
    settings: Settings,
    worker: Worker | None,
    tls: ssl.SSLContext | None,
) -> list[asyncio.Server | Entrance]:
    """What will accept connections, once it is told to.

    Args:
        made: makes what serves one.
        settings: where to listen.
        worker: has a door already, which it shares.
        tls: to speak TLS with.

    Raises:
        OSError: a port cannot be bound.
    """
    if worker is not None:
        return [worker.doors["dimse"]]
    dimse = settings.dimse
    doors = [(dimse.port, tls if dimse.tls else None)]
    if dimse.tls_port is not None:
        doors.append((dimse.tls_port, tls))
    listeners: list[asyncio.Server | Entrance] = []
    try:
        for port, context in doors:
            listener = await asyncio.get_running_loop().create_server(
                made,
                dimse.bind,
                port,
                backlog=BACKLOG,
                start_serving=False,
                ssl=context,
                ssl_handshake_timeout=None if context is None else HANDSHAKE,
            )
            listeners.append(listener)
    except OSError:
        for each in listeners:
            each.close()
        raise
    return listeners


async def stop_accepting(listeners: Iterable[asyncio.Server | Entrance]) -> None:
    """Let what was just accepted come in, and nothing after it.

    A connection that asyncio still hands over after the listener was closed is a TypeError in
    Python 3.13, as the listener believes that everybody has gone.
    """
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # of Windows' own event loop
        for listener in listeners:
            for each in listener.sockets:
                loop.remove_reader(each.fileno())
    for _ in range(_HANDING_OVER):
        await asyncio.sleep(0)
