"""Messages on their way out: fragments that fit the peer, and a stop where it takes no more."""

import asyncio
import os
from collections.abc import AsyncIterator

from hilum.codec import dimse, pdu
from hilum.codec.associate import Negotiation
from hilum.codec.dimse import Command
from hilum.core.budget import Share
from hilum.model.errors import BackendFault
from hilum.model.instance import Piece, gathering, ready
from hilum.upper_layer.framed import LEAST, framed
from hilum.upper_layer.link import Link
from hilum.upper_layer.messages import Context
from hilum.upper_layer.standing import OVER, AssociationLost, Timeouts

ENOUGH = 256 * 1024  # bytes of a data set that are waited for, to be sent together
UNREADABLE = "the file of this instance cannot be read"
SMALL = 16 * 1024  # bytes; what is not longer is joined before it is sent


class Sender(Link):
    """The half of an association that speaks: one message after another (PS3.8 Annex E).

    Attributes:
        remote: what the peer said of itself.
    """

    def __init__(self, *, requestor: bool, max_pdu: int, timeouts: Timeouts) -> None:
        super().__init__(requestor=requestor, max_pdu=max_pdu, timeouts=timeouts)
        self._write_lock = asyncio.Lock()
        self._sent = 0  # messages that have left
        # The last command, its context, and its PDUs: many are the same
        self._encoded = (Command(command_field=0), 0, b"")
        self.remote = Negotiation()

    async def send(
        self,
        context: Context,
        command: Command,
        data: bytes | AsyncIterator[bytes] | None = None,
        *,
        soon: bool = False,
    ) -> None:
        """Send one message; returns when the transport has room again.

        Args:
            context: to send in.
            command: the message's.
            data: its data set.
            soon: it may wait for others that are said before the event loop turns.

        Raises:
            BackendError: the association was lost, or the peer takes nothing for too long.
            Exception: what `data` raised. When part of the message had left by then, the
                association is aborted: the peer cannot be told in any other way.
        """
        size = pdu.fragment_size(self.remote.max_pdu)
        parts: list[Piece] = [self._command_pdus(context, command, size)]
        if data is None or isinstance(data, bytes):
            if data is not None:
                parts += pdu.encode_data(context.id, data, is_command=False, last=True, size=size)
            if not self._write_lock.locked():  # nothing waits here, so that nobody comes between
                self._put(parts, soon=soon)
                if self._error is not None or not self._writable.is_set():
                    await self._drain()
                return
        async with self._write_lock:
            if data is not None and not isinstance(data, bytes):
                if await self._sent_framed(context, parts[0], data, size):
                    return
                parts = await self._send_stream(context, parts, data, size)
            self._put(parts, soon=soon)
            await self._drain()

    def _command_pdus(self, context: Context, command: Command, size: int) -> bytes:
        """The PDUs of a command; those of the last one are kept."""
        known, context_id, encoded = self._encoded
        if context_id != context.id or (command is not known and command != known):
            parts = pdu.encode_data(
                context.id, dimse.encode(command), is_command=True, last=True, size=size
            )
            encoded = b"".join(parts)
            self._encoded = (command, context.id, encoded)
        return encoded

    def _put(self, parts: list[Piece], *, soon: bool) -> None:
        """Give the transport the last parts of a message."""
        if soon or sum(map(len, parts)) <= SMALL:
            self._write(b"".join(parts), soon=soon)
        else:
            self._write_parts(parts)
        self._sent += 1

    async def say(self, context: Context, encoded: bytes) -> None:
        """Send a command set that has no data set, as it is encoded; raises like `send`."""
        size = pdu.fragment_size(self.remote.max_pdu)
        parts = pdu.encode_data(context.id, encoded, is_command=True, last=True, size=size)
        async with self._write_lock:
            self._write(b"".join(parts))
            self._sent += 1
            await self._drain()

    async def _sent_framed(
        self, context: Context, command: Piece, data: AsyncIterator[bytes], size: int
    ) -> bool:
        """Whether all of `data` was sent from its file; else nothing of it was."""
        part = ready(data) if self._is_plain and size >= LEAST else None
        if part is None:
            return False
        file, offset, left = part
        frames, share, head = framed(self._loop, size), Share(), bytes(command)
        try:
            if left & 1:
                return False  # the stream gets a NUL behind it
            while left:
                length = min(left, frames.room, max(self._share.room // size, 1) * size)
                try:
                    filled = frames.filled(file, offset, length, context.id, last=length == left)
                except OSError:
                    if head:
                        return False  # whoever has the stream may know of another file
                    raise BackendFault(UNREADABLE) from None
                self._write_now(head, filled)
                head, offset, left = b"", offset + length, left - length
                share.take(self._transport.get_write_buffer_size())
                await self._drain()
                share.close()
        except BaseException:
            if not head:
                self.abort("a message was cut off in the middle")
            raise
        finally:
            share.close()
            os.close(file)
        self._sent += 1
        return True

    def _write_now(self, head: bytes, data: memoryview) -> None:
        """Send big data that somebody changes as soon as this returns.

        What of it the socket does not take is copied: then `_drain` waits until all has left.
        """
        if self._state in OVER:
            raise self._error or AssociationLost("the association is over")
        self.carried += len(head) + len(data)
        head, self._held = bytes(self._held) + head, bytearray()
        taken = 0
        if self._is_plain and self._socket and not self._transport.get_write_buffer_size():
            try:
                taken = self._socket.sendmsg((head, data))
            except OSError:  # it is full, or what is wrong with it the transport will see
                taken = 0
        if taken < len(head) + len(data):
            self._hold_up(0)
            self._transport.write(b"".join((head, data))[taken:])

    async def _send_stream(
        self,
        context: Context,
        parts: list[Piece],
        data: AsyncIterator[bytes],
        size: int,
    ) -> list[Piece]:
        """Send all of `data` but its end, which comes back to be sent as the last fragment.

        One of odd length gets a NUL behind it: deflated ones must have it (PS3.5 §A.5), in others
        the last value is too short or too long by one. DCMTK, and with it Orthanc, aborts the
        association for the odd byte alone.
        """
        following = gathering(data)
        held: list[Piece] = []
        length = 0
        begun = False
        try:
            while pieces := await following(ENOUGH):
                length += sum(map(len, pieces))
                more, held = pdu.encode_pieces(context.id, held, last=False, size=size)
                if more:  # what came before these: all of a small data set goes out at once
                    begun = True
                    self._write_parts(parts + more)
                    parts = []
                    await self._drain()
                held += pieces
        except BaseException:
            if begun:
                self.abort("a message was cut off in the middle")
            raise
        if length & 1:
            held.append(b"\0")
        return parts + pdu.encode_pieces(context.id, held, last=True, size=size)[0]
