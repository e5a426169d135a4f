"""How do messages get to a syslog server? By TLS (RFC 5425), TCP (RFC 6587) or UDP (RFC 5426).

Syslog has no acknowledgement. What the server's system has confirmed by TCP, on a connection that
lived on for a while, counts as delivered; what was sent shortly before a connection broke is sent
again.
"""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from hilum.codec.syslog import framed
from hilum.config.audit import AuditSettings
from hilum.model.errors import BackendTimeout, BackendUnavailable
from hilum.net.tls import HANDSHAKE, client

CONNECT: Final = 10.0  # seconds
STUCK: Final = 30.0  # seconds that a server may read nothing
_GOODBYE: Final = 5.0  # seconds for a connection to close
_LOOK: Final = 0.02  # seconds between two looks whether all was taken
_UNTAKEN: Final = 0x5411  # SIOCOUTQ: bytes that the other system has not confirmed (Linux)


class Line(Protocol):
    """A way to a syslog server."""

    async def send(self, messages: Sequence[bytes], /) -> None:
        """Send them; returns once the other system has them.

        Raises:
            BackendError: the connection broke, or nothing is read any more.
        """

    async def lost(self, seconds: float, /) -> None:
        """Wait for so long.

        Raises:
            BackendError: the connection broke meanwhile.
        """


@asynccontextmanager
async def connected(settings: AuditSettings) -> AsyncIterator[Line]:
    """The way there, until the block is left; then in good order, if it ends well.

    Raises:
        BackendError: there is none, or TLS is not to be had.
    """
    kind, host, port = settings.place
    try:
        async with asyncio.timeout(CONNECT):
            if kind == "udp":
                transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    asyncio.DatagramProtocol, remote_addr=(host, port)
                )
                line: Line = _Datagrams(transport)
            else:
                reader, writer = await _stream(settings, kind, host, port)
                line = _Stream(reader, writer)
    except ssl.SSLCertVerificationError as error:
        raise BackendUnavailable(f"its certificate: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise BackendUnavailable(f"it does not speak TLS with us: {error.reason}") from error
    except TimeoutError as error:
        raise BackendTimeout("it does not answer") from error
    except OSError as error:
        raise BackendUnavailable(error.strerror or "it cannot be reached") from error
    if isinstance(line, _Datagrams):
        try:
            yield line
        finally:
            line.transport.close()
        return
    try:
        yield line
    except BaseException:
        writer.transport.abort()
        raise
    await _closed(writer)


async def _stream(
    settings: AuditSettings, kind: str, host: str, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if kind == "tcp":
        return await asyncio.open_connection(host, port)
    context = client(settings, settings.ca_file, check_host=settings.check_host)
    return await asyncio.open_connection(
        host, port, ssl=context, server_hostname=host, ssl_handshake_timeout=HANDSHAKE
    )


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Say goodbye (RFC 5425 §4.4).

    Raises:
        BackendError: the other side does not hear it.
    """
    writer.close()
    try:
        async with asyncio.timeout(_GOODBYE):
            await writer.wait_closed()
    except (OSError, TimeoutError) as error:
        writer.transport.abort()
        raise BackendUnavailable("the connection broke as it was closed") from error


@dataclass(slots=True)
class _Stream:
    """Messages in a stream, each with its length before it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, messages: Sequence[bytes], /) -> None:
        try:
            async with asyncio.timeout(STUCK):
                self.writer.write(b"".join(map(framed, messages)))
                await self.writer.drain()
                while self._untaken():
                    await self.lost(_LOOK)
        except TimeoutError as error:
            raise BackendTimeout("it reads nothing") from error
        except OSError as error:
            raise BackendUnavailable("the connection broke") from error

    def _untaken(self) -> bool:
        """Whether something of what was sent is still here."""
        transport = self.writer.transport
        if transport.is_closing():
            raise BackendUnavailable("the connection broke")
        if transport.get_write_buffer_size():
            return True
        if sys.platform != "linux":
            return False
        import fcntl  # noqa: PLC0415 - not on Windows

        found = fcntl.ioctl(transport.get_extra_info("socket").fileno(), _UNTAKEN, b"\0\0\0\0")
        return any(found)

    async def lost(self, seconds: float, /) -> None:
        try:
            async with asyncio.timeout(seconds):
                while await self.reader.read(1024):
                    pass  # it has nothing to say
        except TimeoutError:
            if not self.writer.transport.is_closing():
                return
        except OSError as error:
            raise BackendUnavailable("the connection broke") from error
        raise BackendUnavailable("the connection was closed")


@dataclass(slots=True)
class _Datagrams:
    """Messages that are sent, and that is all."""

    transport: asyncio.DatagramTransport

    async def send(self, messages: Sequence[bytes], /) -> None:
        for each in messages:
            self.transport.sendto(each)

    async def lost(self, seconds: float, /) -> None:
        await asyncio.sleep(seconds)
