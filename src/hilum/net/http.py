"""How is an ASGI application served over HTTP/1.1? By connections of our own.

HTTP/1.1 only, as HTTP/2 is several times slower for whole studies; cut down to what is needed, so
that a small answer costs little and a large one no copy; and sure to end: neither a client that
is silent, nor one that reads no more, nor one that never ends, holds on to anything.
"""

import asyncio
import logging
import socket
from collections.abc import Callable

from hilum.config.schema import HttpSettings
from hilum.net.blocks import Blocks
from hilum.net.connection import BUFFER, Connection
from hilum.net.elsewhere import Elsewhere
from hilum.net.entrance import Entrance
from hilum.net.guard import Application
from hilum.net.room import Room
from hilum.net.threshold import Refused, Threshold, ignored
from hilum.net.tls import Speaks

BACKLOG = 512  # connections the kernel holds for us

_log = logging.getLogger(__name__)


async def serve(  # noqa: PLR0913 - a door has that many sides
    application: Application,
    settings: HttpSettings,
    *,
    started: Callable[[str, int], None],
    stop: asyncio.Event,
    entrance: Entrance | None = None,
    elsewhere: Elsewhere | None = None,
    tls: Speaks | None = None,
    refused: Refused = ignored,
    now: Callable[[], HttpSettings] | None = None,
) -> None:
    """Serve until `stop` is set; then let running requests end within `graceful_shutdown`.

    Args:
        application: an ASGI application; only scopes of type "http" come to it.
        settings: where to listen, and how long to wait.
        started: called with host and port once connections are taken.
        stop: set it to stop.
        entrance: the door that we share with other workers; None: we open it.
        elsewhere: who hands on what another worker must answer.
        tls: to speak HTTPS with; not where there are other workers.
        refused: is told of who fails at that.
        now: what the settings are by now; None: they stay the same.

    Raises:
        OSError: the address cannot be listened at.
    """
    now = now or (lambda: settings)
    ending = asyncio.Event()
    listener = entrance.sockets[0] if entrance else bound(settings.bind, settings.port)
    async with asyncio.TaskGroup() as group:
        connections: dict[asyncio.Task[None], Connection] = {}
        room = Room(now)

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            address = str((writer.get_extra_info("peername") or ("",))[0])
            full = room.enter(address)
            if full is None:
                connection = Connection(
                    *(application, now().request_timeout, ending, reader, writer, elsewhere),
                )
                task = group.create_task(connection.guarded())
                connections[task] = connection
                task.add_done_callback(connections.pop)
                task.add_done_callback(lambda _: room.leave(address))
            else:
                _log.warning("%s: http.max_connections: turned away with %d", address, full)
                task = group.create_task(room.tell(full, reader, writer))
            if entrance:
                task.add_done_callback(lambda _: entrance.left())

        server: Entrance | Threshold | asyncio.Server
        if entrance:
            server = entrance
            entrance.serve(group, lambda data: _resumed(data, connected))
        elif tls is not None:
            listener.listen(BACKLOG)
            server = Threshold([listener], lambda: _resumed(b"", connected), tls, refused)
            server.serve(group)
        else:
            server = await asyncio.get_running_loop().create_server(
                lambda: _resumed(b"", connected), sock=listener, backlog=BACKLOG
            )
        try:
            host, port = listener.getsockname()[:2]
            started(host, port)
            await stop.wait()
        finally:
            server.close()
        ending.set()  # connections end after their request
        for connection in connections.values():
            connection.idle.end_if_idle()
        if connections:
            await asyncio.wait(set(connections), timeout=now().graceful_shutdown)
        for task in connections:
            task.cancel()


def _resumed(
    data: bytes, connected: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]
) -> asyncio.StreamReaderProtocol:
    """What serves a connection of which some was read already, perhaps nothing."""
    reader = Blocks(BUFFER)
    if data:
        reader.feed_data(data)
    return asyncio.StreamReaderProtocol(reader, connected)


def bound(host: str, port: int) -> socket.socket:
    """A listening socket; `::` takes IPv4 too where the system can."""
    if host == "::" and socket.has_dualstack_ipv6():
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    return socket.create_server(address[:2], family=socket.AddressFamily(family))
