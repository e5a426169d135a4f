"""How is an ASGI application served over HTTP/1.1? hypercorn's connections on our own listener.

Why not `hypercorn.asyncio.serve`: it hides the port, never stops on Python 3.12 and later while
a connection is open (`Server.wait_closed`), takes cleartext HTTP/2, leaves a connection open for
ever whose peer reads no more, and loses an answer that is given before the body has come.
"""

import asyncio
import logging
import socket
from collections.abc import Callable

from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config

from hilum.config.schema import HttpSettings
from hilum.net.blocks import Blocks
from hilum.net.connection import BUFFER, Connection
from hilum.net.elsewhere import Elsewhere
from hilum.net.entrance import Entrance
from hilum.net.fair import Fair, Meter
from hilum.net.guard import Application
from hilum.net.room import Room
from hilum.net.threshold import Refused, Threshold, ignored
from hilum.net.tls import Speaks

BACKLOG = 512  # connections the kernel holds for us
MAX_HEAD = 64 * 1024  # bytes of a request line and its headers: lists of UIDs are long

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
    fair: Fair | None = None,
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
        fair: counts what is done for whom, at all doors together.

    Raises:
        OSError: the address cannot be listened at.
    """
    now = now or (lambda: settings)
    fair = fair or Fair()
    config = _config(settings)
    context = WorkerContext(None)
    listener = entrance.sockets[0] if entrance else bound(settings.bind, settings.port)
    async with asyncio.TaskGroup() as group:
        connections: dict[asyncio.Task[None], Connection] = {}
        room = Room(now)

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            address = str((writer.get_extra_info("peername") or ("",))[0])
            full = room.enter(address)
            if full is None:
                connection = Connection(
                    *(application, now().request_timeout, config, context),
                    *(reader, writer, elsewhere),
                )
                meter = Meter(fair, fair.account(address))
                task = group.create_task(meter.counted(connection.guarded()))
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
        await context.terminated.set()  # connections end after their request
        for connection in connections.values():
            connection.idle.end_if_idle()
        if connections:
            await asyncio.wait(set(connections), timeout=now().graceful_shutdown)
        for task in connections:
            task.cancel()


def _config(settings: HttpSettings) -> Config:
    config = Config()
    config.h11_max_incomplete_size = MAX_HEAD
    config.h11_pass_raw_headers = False
    config.include_server_header = False
    config.keep_alive_max_requests = 2**31
    config.graceful_timeout = settings.graceful_shutdown
    config.accesslog = None
    config.errorlog = _log
    return config


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
