"""Messages on their way out: fragments that fit the peer, and a stop where it takes no more."""

import asyncio
from collections.abc import AsyncIterator

from hilum.codec import dimse, pdu
from hilum.codec.associate import Negotiation
from hilum.codec.dimse import Command
from hilum.model.instance import Piece, gathering
from hilum.upper_layer.link import Link
from hilum.upper_layer.messages import Context
from hilum.upper_layer.standing import Timeouts

ENOUGH = 256 * 1024  # bytes of a data set that are waited for, to be sent together
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
