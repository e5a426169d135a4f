"""How is TLS spoken with who came in? By OpenSSL at the socket itself, without copies on the way.

asyncio and uvloop let OpenSSL read and write in memory, and carry each byte between there and the
socket: three more copies of all that leaves.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from typing import Final, Protocol, cast

from hilum.net.records import RECORD, Buffer, Records

AT_ONCE: Final = 4 * RECORD
"""Bytes that OpenSSL is given in one call, until it is known how quick the peer is.

Nobody sees how much of them has left: with many, a slow peer looks like one that takes nothing.
"""
QUICK: Final = 16 * RECORD  # for one that takes them within `SOON`; to others it is one record
SOON: Final = 1.0  # seconds
READ: Final = 16 * RECORD  # bytes that are read, at most, before they are handed on
LINGER: Final = 30.0  # seconds that a peer has to take what is left, once we close
_HIGH: Final = 64 * 1024  # bytes that wait, from which on who writes is told, unless set otherwise


class _Hears(Protocol):
    """What is told of what comes: a protocol of asyncio, or an association's link."""

    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool | None: ...


class Secured(asyncio.Transport):
    """The transport of a connection that speaks TLS.

    Its extra information is asyncio's, and `certificate`: the one that the peer has shown, in DER.

    Args:
        spoken: has shaken hands.
        context: that it speaks with.
        protocol: is told what comes.
        scratch: to read into; may be shared by all that run on one event loop.
    """

    def __init__(
        self,
        spoken: ssl.SSLSocket,
        context: ssl.SSLContext,
        protocol: asyncio.BaseProtocol,
        scratch: memoryview,
    ) -> None:
        super().__init__(
            {
                "socket": spoken,
                "peername": spoken.getpeername(),
                "sockname": spoken.getsockname(),
                "sslcontext": context,
                "ssl_object": spoken,
                "certificate": spoken.getpeercert(binary_form=True),
            }
        )
        self._spoken = spoken
        self._fd = spoken.fileno()
        self._scratch = scratch
        self._loop = asyncio.get_running_loop()
        self._waiting = Records()
        self._most = AT_ONCE
        self._since: float | None = None  # when it could not go on
        self._high, self._low = _HIGH, _HIGH // 4
        self._holds = False  # who writes was told to wait
        self._wants = self._watches = False  # whether we wait for the socket to take more
        self._paused = self._closing = self._ended = self._parted = self._lost = False
        self._last: asyncio.TimerHandle | None = None
        self.set_protocol(protocol)
        protocol.connection_made(self)
        self._listen()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    # What comes

    def pause_reading(self) -> None:
        if not self._paused and not self._closing:
            self._paused = True
            self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._listen()

    def is_reading(self) -> bool:
        return not (self._paused or self._closing or self._ended)

    def _listen(self) -> None:
        """Read from now on, at first what OpenSSL may have already: of that no socket tells."""
        if self.is_reading():
            self._loop.add_reader(self._fd, self._read)
            self._loop.call_soon(self._read)

    def _read(self) -> None:
        """Hand on all records that are here."""
        if not self.is_reading():
            return
        scratch, size = self._scratch, 0
        try:
            while READ - size >= RECORD:
                count = self._spoken.recv_into(scratch[size:])
                if not count:
                    self._ended = True
                    break
                size += count
                if size == count < RECORD and not self._spoken.pending():
                    break  # a request, mostly; the loop says if there is more: a vain try costs
            else:
                self._loop.call_soon(self._read)  # there may be more
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLWantWriteError:
            self._watch()
        except OSError as error:
            self._lose(error)
            return
        try:
            self._hand_on(bytes(scratch[:size]))
        except BaseException:  # the loop logs it
            self._lose(None)
            raise

    def _hand_on(self, data: bytes) -> None:
        protocol = cast("_Hears", self._protocol)
        if data:
            protocol.data_received(data)
        if self._ended and not self._lost:
            self._loop.remove_reader(self._fd)
            if not protocol.eof_received():
                self.close()

    # What leaves

    def write(self, data: Buffer) -> None:
        self.writelines((data,))

    def writelines(self, list_of_data: Iterable[Buffer]) -> None:
        if self._closing:
            return
        idle = not self._waiting.size
        self._waiting.add(list_of_data)
        if idle and self._waiting.size:
            self._send()
        if self._waiting.size > self._high and not self._holds and not self._lost:
            self._holds = True
            self._protocol.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high if high is not None else 4 * low if low is not None else _HIGH
        self._low = low if low is not None else self._high // 4

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        return self._waiting.size

    def can_write_eof(self) -> bool:
        return False

    def write_eof(self) -> None:
        """Refuse: TLS ends both ways at once."""
        raise NotImplementedError

    def _send(self) -> None:
        """Send what the peer takes."""
        try:
            while self._waiting.size:
                self._spoken.send(self._waiting.first(self._most))
                self._waiting.sent()
                if self._since is not None:
                    self._most = QUICK if self._loop.time() - self._since < SOON else RECORD
                    self._since = None
        except ssl.SSLWantWriteError:
            if self._since is None:
                self._since = self._loop.time()
            self._watch()
        except OSError as error:
            self._lose(error)
            return
        if self._holds and self._waiting.size <= self._low:
            self._holds = False
            self._protocol.resume_writing()  # which may write, or end it
        if self._closing and not self._waiting.size:
            self._part()

    def _watch(self) -> None:
        """Go on when the socket takes more."""
        self._wants = True
        if not self._watches:
            self._watches = True
            self._loop.add_writer(self._fd, self._writable)

    def _writable(self) -> None:
        self._wants = False
        if self._waiting.size:
            self._send()
        elif self._closing:
            self._part()
        else:
            self._read()
        if self._watches and not self._wants:
            self._watches = False
            self._loop.remove_writer(self._fd)

    # How it ends

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._loop.remove_reader(self._fd)
        self._last = self._loop.call_later(LINGER, self.abort)
        if not self._waiting.size:
            self._part()

    def abort(self) -> None:
        self._lose(None)

    def _part(self) -> None:
        """Say that nothing more comes, and wait for the peer to do so too.

        What it sends meanwhile is read and thrown away: else it would see a reset, and perhaps
        not what was sent before.
        """
        if self._parted or self._lost:
            return
        try:
            self._spoken.unwrap()
        except ssl.SSLWantWriteError:
            self._watch()
            return
        except OSError:  # it still speaks, or is gone
            pass
        self._parted = True
        if self._ended:
            self._lose(None)
            return
        try:
            socket.socket.shutdown(self._spoken, socket.SHUT_WR)
        except OSError as error:
            self._lose(error)
            return
        self._loop.add_reader(self._fd, self._throw_away)

    def _throw_away(self) -> None:
        try:
            if not socket.socket.recv_into(self._spoken, self._scratch):
                self._lose(None)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._lose(None)

    def _lose(self, error: OSError | None) -> None:
        """End at once."""
        if self._lost:
            return
        self._lost = self._closing = True
        self._watches = False
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        if self._last is not None:
            self._last.cancel()
        self._waiting.clear()
        self._loop.call_soon(self._finish, error)

    def _finish(self, error: OSError | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._spoken.close()
            self._protocol = asyncio.Protocol()  # which knows us no more


def scratch() -> memoryview:
    """What connections read into."""
    return memoryview(bytearray(READ))
