"""Where does the DIMSE door listen? At one port or two, of which one may speak TLS."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable

from hilum.config.schema import Settings
from hilum.net.entrance import Entrance
from hilum.net.http import bound
from hilum.net.threshold import Refused, Threshold
from hilum.net.tls import Speaks
from hilum.net.worker import Worker

Listener = asyncio.Server | Entrance | Threshold

BACKLOG = 128  # connections that wait to be accepted
_HANDING_OVER = 5  # rounds of the event loop from accepting a connection to its association


async def opened(
    settings: Settings,
    worker: Worker | None,
    tls: Speaks | None,
    made: Callable[[], asyncio.BaseProtocol],
    refused: Refused,
) -> list[Listener]:
    """What will accept connections.

    Args:
        settings: where.
        worker: which of several processes this is, that share the port; None: there is one.
        tls: to speak TLS with, at the door that does.
        made: makes what serves a connection.
        refused: is told of who does not speak TLS as it must be.

    Raises:
        OSError: a port cannot be bound.
    """
    if worker is not None:
        return [worker.doors["dimse"]]
    dimse = settings.dimse
    doors = [(dimse.port, tls if dimse.tls else None)]
    if dimse.tls_port is not None:
        doors.append((dimse.tls_port, tls))
    listeners: list[Listener] = []
    try:
        for port, context in doors:
            if context is not None:
                door = bound(dimse.bind, port)
                door.listen(BACKLOG)
                listeners.append(Threshold([door], made, context, refused))
                continue
            listeners.append(
                await asyncio.get_running_loop().create_server(
                    made, dimse.bind, port, backlog=BACKLOG, start_serving=False
                )
            )
    except OSError:
        for each in listeners:
            each.close()
        raise
    return listeners


async def stop_accepting(listeners: Iterable[Listener]) -> None:
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
