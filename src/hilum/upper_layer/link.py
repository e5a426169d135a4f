"""The connection below one association: bytes, time and the end (PS3.8 §9.1, §9.2).

Bytes are taken in as the transport gives them, so reading never waits for writing: a C-CANCEL
or a C-STORE-RSP is seen while we send. What nobody has read yet is counted, and past
`UNREAD_HIGH`, or its share of what all may hold, the transport stops reading, which stops the peer.
"""

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import cast

from hilum.codec import pdu
from hilum.codec.pdu import AbortReason, AbortSource, PduError
from hilum.core.budget import Share
from hilum.model.errors import BackendFault, BackendTimeout, HilumError
from hilum.upper_layer.scratch import READ, scratch_of
from hilum.upper_layer.standing import OVER, AssociationLost, State, Timeouts

UNREAD_HIGH = 1024 * 1024  # bytes nobody has read yet, from which on we stop reading
UNREAD_LOW = 256 * 1024  # bytes, from which on we go on reading
HELD = 64 * 1024  # bytes, the most that waits to be sent together
WRITE_HIGH = 512 * 1024
"""Bytes waiting to be sent, from which on a sender waits; fewer where many send at once."""
LEAST = 500  # bytes a second; a message that comes more slowly is not waited for
LINGER = 2.0  # seconds a peer gets to close the connection after the last PDU
_TICK = 1.0  # seconds, the longest between two looks at the clock
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux only


def _own(shown: socket.socket | None) -> socket.socket | None:
    """The transport's socket, for options, and to send what it takes at once.

    What uvloop's transport shows asks the system with each call of what family it is.
    """
    if shown is None:
        return None
    return socket.socket(shown.family, shown.type, shown.proto, fileno=shown.fileno())


class Link(asyncio.BufferedProtocol, ABC):
    """What an association needs of its connection.

    Attributes:
        peer: host and port of the far side, for logs.
        address: host of the far side.
        fault: why we aborted, for the log; None when we did not.
        carried: bytes that came, and that were sent.
        counts: told how many seconds the event loop was busy with what came; None: nobody.
    """

    def __init__(self, *, requestor: bool, max_pdu: int, timeouts: Timeouts) -> None:
        self._requestor = requestor
        self._timeouts = timeouts
        self._reader = pdu.PduReader(max_pdu)
        self._state = State.WAITING
        self._loop = asyncio.get_running_loop()
        self._scratch = scratch_of(self._loop)
        self._closed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._heard = self._since = self._looked = self._due = self._loop.time()
        self._seen, self._time = 0, 2 * timeouts.message
        self._timer: asyncio.TimerHandle | None = None
        self._share = Share()  # bytes that came and nobody has read yet
        self._paused = False
        self._held = bytearray()
        self._is_plain = False
        self._high = WRITE_HIGH
        self._error: HilumError | None = None
        self._on_lost: Callable[[], None] | None = None
        self.peer = ""
        self.address = ""
        self.fault: str | None = None
        self.carried = 0
        self.counts: Callable[[float], None] | None = None

    @abstractmethod
    def _take(self, event: pdu.Event) -> None:
        """Act on what the peer said."""

    @abstractmethod
    def _forsake(self, error: HilumError) -> None:
        """Tell everybody who waits for the peer that nothing more comes."""

    @property
    @abstractmethod
    def _is_inside(self) -> bool:
        """Whether a message has begun and not ended."""

    @property
    @abstractmethod
    def _is_idle(self) -> bool:
        """Whether we wait for nothing but the peer's next request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type
        self._socket = _own(transport.get_extra_info("socket"))
        self._is_plain = transport.get_extra_info("sslcontext") is None
        name = transport.get_extra_info("peername") or ("?", 0)
        self.address = str(name[0])
        self.peer = f"{name[0]}:{name[1]}"
        self._option(socket.TCP_NODELAY)
        self._acknowledge()
        self._transport.set_write_buffer_limits(high=WRITE_HIGH)
        self._tick()

    def get_buffer(self, _sizehint: int) -> memoryview:
        """Where the transport puts what comes: as much as there is room for."""
        return self._scratch[: min(READ, self._share.room) or READ]

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was put there; it is gone when the next link reads."""
        self.data_received(bytes(self._scratch[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        began = perf_counter()
        self._heard = self._loop.time()
        self.carried += len(data)
        if self._state not in OVER:
            try:
                for event in self._reader.feed(data):
                    self._take(event)
                    if self._state in OVER:
                        break
            except PduError as error:
                self._break(error)
        self._acknowledge()
        if self.counts is not None:
            self.counts(perf_counter() - began)

    def eof_received(self) -> None:
        """Let the transport close: nobody speaks DIMSE over half a connection."""
        if self._reader.in_pdu or self._state in (State.DECIDING, State.OPEN):
            cause = "the peer closed without a release"
            self._break(PduError(cause, AbortReason.NOT_SPECIFIED), AssociationLost(cause))

    def connection_lost(self, _error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._state in (State.DECIDING, State.OPEN):
            self.fault = self.fault or "the connection was reset"
        self._lose(AssociationLost("the connection was closed without a release"))
        self._state = State.LOST
        self._share.close()
        if self._socket is not None:
            self._socket.detach()  # the transport closes it
            self._socket = None
        self._closed.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _acknowledge(self) -> None:
        # A peer with Nagle on holds back its next small write until we acknowledge this one;
        # the kernel would wait 40 ms. The option wears off, so it is set after each read.
        if _QUICKACK is not None:
            self._option(_QUICKACK)

    def _option(self, option: int) -> None:
        # What fails here is a connection that is just going away, which is told elsewhere.
        if self._socket is not None:
            try:  # noqa: SIM105 - for each read: `suppress` costs more than the call
                self._socket.setsockopt(socket.IPPROTO_TCP, option, 1)
            except OSError:
                pass

    @property
    def unread(self) -> int:
        """Bytes that came and nobody has read yet, with what each piece costs."""
        return self._share.held

    def _count(self, size: int) -> bool:
        """Whether nothing more comes before some of what is here is read."""
        share = self._share
        share.take(size)
        if not self._paused and (share.held > UNREAD_HIGH or not share.room):
            self._paused = True
            self._transport.pause_reading()
        return self._paused

    def _uncount(self, size: int) -> None:
        share = self._share
        share.give(size)
        if (
            self._paused
            and share.held < UNREAD_LOW
            and share.room
            and self._state is not State.LOST
        ):
            self._paused = False
            self._heard = self._loop.time()
            self._transport.resume_reading()

    def _tick(self) -> None:
        """Look at the clock: who is silent for too long is dropped."""
        now, limits = self._loop.time(), self._timeouts
        late = now - self._due  # as this process was halted, or busy: no silence of the peer's
        self._heard, self._since = min(self._heard + late, now), min(self._since + late, now)
        self._looked += late
        if self._state is State.CLOSING:
            if now - self._since > LINGER:
                self._transport.abort()
                return
        elif self._state in (State.WAITING, State.RELEASING):
            if now - self._since > limits.acse:
                self._out_of_time()
        elif self._state is State.OPEN and not self._paused:
            silence = now - self._heard
            inside = self._reader.in_pdu or self._is_inside
            if inside and silence > limits.message:
                self._silent("silence in the middle of a message")
            elif inside and self._drips(now):
                self._silent("a message that comes too slowly")
            elif not inside and self._is_idle and silence > limits.idle:
                self._silent("idle for too long")
            if not inside:
                self._time = 2 * limits.message
        self._looked, self._seen = now, self.carried
        tick = min(_TICK, limits.acse / 4, limits.message / 4, limits.idle / 4)
        self._due = now + tick
        self._timer = self._loop.call_at(self._due, self._tick)

    def _drips(self, now: float) -> bool:
        """Whether a caller takes for ever over one message, however it keeps us awake.

        A PACS that we ask may fetch from tape while it sends: of it only silence counts.
        """
        earned = (self.carried - self._seen) / LEAST - (now - self._looked)
        self._time = min(self._time + earned, 2 * self._timeouts.message)
        return self._time < 0 and not self._requestor

    def _out_of_time(self) -> None:
        cause = "the association timer (ARTIM) ran out"
        if self._requestor:
            self._silent("the peer did not answer in time: " + cause)
        elif self._reader.in_pdu:
            self._silent(cause)
        else:  # nothing was ever said, so nothing is answered (PS3.8 §9.2.3, action AA-2)
            self.fault = cause
            self._end(BackendTimeout(cause))

    def _silent(self, cause: str) -> None:
        self._break(PduError(cause, AbortReason.NOT_SPECIFIED), BackendTimeout(cause))

    def _break(self, error: PduError, told: HilumError | None = None) -> None:
        """A-ABORT for the peer, one cause for the log."""
        if self._state in OVER:
            return
        self.fault = str(error)
        source, reason = error.source, error.reason
        if self._state is State.WAITING and not self._requestor:
            # In Sta2 it is the user that aborts, whatever came (PS3.8 Table 9-10, AA-1).
            source, reason = AbortSource.USER, AbortReason.NOT_SPECIFIED
        aborted = pdu.Aborted(source, reason)
        self._finish(aborted, told or BackendFault(f"the peer broke the protocol: {error}"))

    def _finish(
        self, last: pdu.Aborted | pdu.ReleaseAnswered | pdu.Rejected, told: HilumError
    ) -> None:
        """Send the last PDU, then wait (bounded) for the peer to close (Sta13)."""
        if self._state in OVER:
            return
        self._state, self._since = State.CLOSING, self._loop.time()
        self._flush()
        self._transport.write(pdu.encode(last))
        if self._paused:  # what still comes is thrown away, so that the close is seen
            self._paused = False
            self._transport.resume_reading()
        self._lose(told)

    def _end(self, told: HilumError) -> None:
        """The peer said its last word: close."""
        self._state, self._since = State.CLOSING, self._loop.time()
        self._transport.close()
        self._lose(told)

    def _lose(self, error: HilumError) -> None:
        if self._error is not None:
            return
        self._error = error
        self._forsake(error)
        self._writable.set()
        if self._on_lost is not None:
            self._on_lost()

    @property
    def certificate(self) -> bytes | None:
        """What the peer that called has shown in TLS, in DER."""
        shown: bytes | None = self._transport.get_extra_info("certificate")
        return shown

    @property
    def lost(self) -> HilumError | None:
        """Why the association is over, or None while it is open."""
        return self._error

    def on_lost(self, callback: Callable[[], None] | None) -> None:
        """Call `callback` once when the association ends; at once when it has ended."""
        self._on_lost = callback
        if callback is not None and self._error is not None:
            callback()

    def _write_parts(self, parts: list[bytes | memoryview]) -> None:
        """Send big data, in parts that nobody changes any more, without joining them."""
        if self._state in OVER:
            raise self._error or AssociationLost("the association is over")
        self._flush()
        self.carried += sum(map(len, parts))
        self._hold_up(min(WRITE_HIGH, self._share.room))
        self._transport.writelines(parts)

    def _hold_up(self, high: int) -> None:
        """Have who sends wait from so many bytes on that wait to be sent."""
        if high != self._high:
            self._high = high
            self._transport.set_write_buffer_limits(high=high)

    def _write(self, data: bytes, *, soon: bool = False) -> None:
        """Send; `soon`, with what else is said before the event loop turns: in one segment."""
        if self._state in OVER:
            raise self._error or AssociationLost("the association is over")
        self.carried += len(data)
        if not soon and not self._held:
            self._transport.write(data)
            return
        if not self._held:
            self._loop.call_soon(self._flush)
        self._held += data
        if not soon or len(self._held) >= HELD:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            held, self._held = bytes(self._held), bytearray()
            if self._state is not State.LOST:
                self._transport.write(held)

    async def _drain(self) -> None:
        """Wait until the transport has room again, as long as the peer takes something."""
        while not self._writable.is_set():
            waiting = self._transport.get_write_buffer_size()
            try:
                async with asyncio.timeout(self._timeouts.message):
                    await self._writable.wait()
            except TimeoutError:
                if self._transport.get_write_buffer_size() >= waiting:
                    self._silent("the peer takes nothing")
        if self._error is not None:
            raise self._error

    async def closed(self) -> None:
        """Return when the connection is gone; bounded, as a peer that lingers is cut off."""
        await self._closed.wait()

    def abort(
        self,
        cause: str = "",
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
        told: HilumError | None = None,
    ) -> None:
        """Send A-ABORT as the user and close.

        Args:
            cause: for the log; "" when it is the normal end of our side.
            reason: of the A-ABORT; not significant to the peer.
            told: raised for who waits for the peer; else an `AssociationLost`.
        """
        if self._error is None:
            self.fault = self.fault or cause or None
        text = f"we aborted the association: {cause or 'not needed any more'}"
        self._finish(pdu.Aborted(AbortSource.USER, reason), told or AssociationLost(text))

    def limit(self, silence: float) -> None:
        """From now on the peer may be silent for so many seconds (`Timeouts.message`)."""
        if silence != self._timeouts.message:
            self._timeouts = replace(self._timeouts, message=silence)

    def cut(self) -> None:
        """Drop the connection now, without a word."""
        self._transport.abort()
