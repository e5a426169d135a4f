"""One association, for both roles: messages over a connection (PS3.8 §9.2, PS3.7 §6.3)."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from hilum.codec import associate, dimse, pdu
from hilum.codec.associate import AssociateAccept, AssociateRequest
from hilum.codec.dimse import RESPONSE, Command, Service
from hilum.codec.pdu import AbortReason, AbortSource, Fragment, PduError
from hilum.model.errors import HilumError
from hilum.upper_layer.messages import MESSAGE_COST, Context, DataStream, Message, Responses
from hilum.upper_layer.negotiation import opened
from hilum.upper_layer.sending import Sender
from hilum.upper_layer.standing import AssociationLost, AssociationRejected, State, Timeouts

log = logging.getLogger(__name__)

_HEARING = (State.OPEN, State.RELEASING)


class Association(Sender):
    """An association with a peer; give it to `create_server` or `create_connection`.

    Attributes:
        contexts: id -> accepted presentation context.
        calling_ae_title, called_ae_title: as in the A-ASSOCIATE.
    """

    def __init__(
        self,
        *,
        requestor: bool,
        max_pdu: int,
        timeouts: Timeouts,
        made: Callable[["Association"], None] | None = None,
    ) -> None:
        super().__init__(requestor=requestor, max_pdu=max_pdu, timeouts=timeouts)
        self._made = made
        self._opened = self._loop.create_future()
        self._asked: AssociateRequest | None = None
        self._command = bytearray()
        self._command_context = 0
        self._parsed = (b"", Command(command_field=0))  # the last command; many are the same
        self._incoming: DataStream | None = None
        self._incoming_context = 0
        self._requests: deque[Message] = deque()
        self._request_waiter: asyncio.Future[None] | None = None
        self._release_asked = False  # by the peer: Sta8, or the collision of Sta9 to Sta12
        self._pending: dict[int, Responses] = {}
        self._diverted: Responses | None = None
        self._cancels: dict[int, Callable[[], None]] = {}
        self._cancelled: set[int] = set()
        self._current: Message | None = None
        self._last_id = 0
        self.contexts: Mapping[int, Context] = {}
        self.calling_ae_title = ""
        self.called_ae_title = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._made is not None:
            self._made(self)

    @property
    def _is_inside(self) -> bool:
        return self._incoming is not None or bool(self._command)

    @property
    def _is_idle(self) -> bool:
        return self._request_waiter is not None and not self._pending

    def _forsake(self, error: HilumError) -> None:
        if not self._opened.done():
            self._opened.set_exception(error)
            self._opened.exception()  # asked for, so that an unread one is not complained of
        if self._incoming is not None:
            self._incoming.fail(error)
        for responses in self._pending.values():
            responses.fail(error)
        self._wake_requests()

    def _take(self, event: pdu.Event) -> None:
        match event:
            case Fragment() if self._is_open:
                self._fragment(event)
            case pdu.Associate() if self._state is State.WAITING:
                self._associate(event)
            case pdu.Rejected(result, source, reason) if self._waiting_for_answer():
                text = f"the peer rejected the association ({result}, {source}, {reason})"
                self._end(AssociationRejected(f"{text}: {associate.explain(source, reason)}"))
            case pdu.ReleaseRequested() if self._is_open:
                self._release_requested()
            case pdu.ReleaseAnswered() if self._state is State.RELEASING:
                self._release_answered()
            case pdu.Aborted(source, reason):
                who = "its user" if source == AbortSource.USER else "its provider"
                self._end(AssociationLost(f"the peer aborted ({who}, reason {reason})"))
            case _:
                name = type(event).__name__
                raise PduError(f"{name} out of order", AbortReason.UNEXPECTED_PDU)

    @property
    def _is_open(self) -> bool:
        """Whether the peer may still say something: it has not asked for release."""
        return self._state in _HEARING and not self._release_asked

    def _waiting_for_answer(self) -> bool:
        return self._requestor and self._state is State.WAITING

    def _associate(self, event: pdu.Associate) -> None:
        if self._requestor is (event.type is pdu.Pdu.ASSOCIATE_RQ):
            raise PduError("the wrong one of the A-ASSOCIATEs", AbortReason.UNEXPECTED_PDU)
        says = associate.parse(event)
        self.remote = says.negotiation
        if self._asked is not None and isinstance(says, AssociateAccept):
            # now, as a message may stand behind it in the same segment
            self.contexts, _ = opened(self._asked, says)
        self._state = State.OPEN if self._requestor else State.DECIDING
        self.calling_ae_title, self.called_ae_title = says.calling_ae_title, says.called_ae_title
        if not self._opened.done():
            self._opened.set_result(says)

    def _release_requested(self) -> None:
        if self._incoming is not None or self._command:
            raise PduError("a release inside a message", AbortReason.UNEXPECTED_PDU)
        self._release_asked = True
        if self._state is State.RELEASING:  # both at once (PS3.8 §9.2.3, AR-8)
            if self._requestor:  # answers first, Sta9; the acceptor waits for that, Sta10
                self._write(pdu.encode(pdu.ReleaseAnswered()))
        elif self._requestor:
            self._finish(pdu.ReleaseAnswered(), AssociationLost("the peer released"))
        else:
            self._wake_requests()

    def _release_answered(self) -> None:
        told = AssociationLost("the association is released")
        if self._release_asked and not self._requestor:  # Sta12
            self._finish(pdu.ReleaseAnswered(), told)
        else:
            self._end(told)

    def _fragment(self, piece: Fragment) -> None:
        if self._incoming is not None:
            if piece.is_command or piece.context_id != self._incoming_context:
                raise _out_of_order("a data set was interrupted by another message")
            self._incoming.put(piece.data, last=piece.last)
            if piece.last:
                self._incoming = None
            return
        if not piece.is_command:
            raise _out_of_order("a data set without a command")
        if self._command and piece.context_id != self._command_context:
            raise _out_of_order("a command changed its presentation context")
        self._command_context = piece.context_id
        self._command += piece.data
        if len(self._command) > dimse.MAX_COMMAND:
            raise _out_of_order("a command set is too long")
        if piece.last:
            if self._command != self._parsed[0]:
                encoded = bytes(self._command)
                self._parsed = (encoded, dimse.parse(encoded))
            self._command.clear()
            self._dispatch(self._parsed[1], piece.context_id)

    def _dispatch(self, command: Command, context_id: int) -> None:
        context = self.contexts.get(context_id)
        if context is None:
            raise PduError("a message in a presentation context that was not accepted")
        data = None
        if command.has_data:
            data = self._incoming = DataStream(self._count, self._uncount)
            self._incoming_context = context_id
        message = Message(context, command, data)
        if command.is_response:
            responses = self._pending.get(command.message_id_responded_to or 0)
            if responses is None or responses.command_field != command.command_field:
                raise _out_of_order("a response that nobody waits for")
            self._count(MESSAGE_COST)
            responses.put(message)
        elif command.command_field == Service.C_CANCEL:
            message.leave()
            self._cancel(command.message_id_responded_to or 0)
        elif command.message_id is None:
            raise _out_of_order("a request without a Message ID")
        elif self._diverted is not None:
            self._count(MESSAGE_COST)
            self._diverted.put(message)
        else:
            self._count(MESSAGE_COST)
            self._requests.append(message)
            self._wake_requests()

    def _cancel(self, message_id: int) -> None:
        callback = self._cancels.get(message_id)
        if callback is not None:
            callback()
        elif any(each.command.message_id == message_id for each in self._requests):
            self._cancelled.add(message_id)  # its handler has not begun yet

    def _wake_requests(self) -> None:
        if self._request_waiter is not None and not self._request_waiter.done():
            self._request_waiter.set_result(None)

    async def requested(self) -> AssociateRequest:
        """What the peer asks for (acceptor only).

        Raises:
            BackendError: it did not come in time, or was no A-ASSOCIATE-RQ.
        """
        says = await asyncio.shield(self._opened)
        assert isinstance(says, AssociateRequest)  # noqa: S101 - `_associate` checked it
        return says

    def accept(self, answer: AssociateAccept, contexts: Mapping[int, Context]) -> None:
        """Send A-ASSOCIATE-AC."""
        if self._state is State.DECIDING:
            self.contexts = contexts
            self._state = State.OPEN
            self._heard = self._loop.time()
            self._write(pdu.encode(associate.encode(answer)))

    def reject(self, result: int, source: int, reason: int) -> None:
        """Send A-ASSOCIATE-RJ and close."""
        self._finish(
            pdu.Rejected(result, source, reason), AssociationLost("we rejected the association")
        )

    async def ask(self, request: AssociateRequest) -> AssociateAccept:
        """Send A-ASSOCIATE-RQ (requestor only), give the answer; `contexts` is set with it.

        Raises:
            AssociationRejected, AssociationLost, BackendTimeout, BackendFault.
        """
        self._asked = request
        self._since = self._loop.time()
        self._write(pdu.encode(associate.encode(request)))
        says = await asyncio.shield(self._opened)
        assert isinstance(says, AssociateAccept)  # noqa: S101 - `_associate` checked it
        return says

    async def next_request(self) -> Message | None:
        """The next request of the peer, in order; None when it asked for release.

        What the last one's data set still held is thrown away.

        Raises:
            BackendError: the association was lost.
        """
        if self._current is not None:
            self._current.leave()
            self._cancelled.discard(self._current.command.message_id or 0)
            self._current = None
        while self._error is None and not self._requests:
            if self._release_asked:
                return None
            self._request_waiter = self._loop.create_future()
            try:
                await self._request_waiter
            finally:
                self._request_waiter = None
        if self._error is not None:
            raise self._error
        self._uncount(MESSAGE_COST)
        self._current = self._requests.popleft()
        return self._current

    def next_id(self) -> int:
        """A Message ID that is not in use."""
        self._last_id = self._last_id % 0xFFFF + 1
        while self._last_id in self._pending:
            self._last_id = self._last_id % 0xFFFF + 1
        return self._last_id

    def on_cancel(self, message_id: int, callback: Callable[[], None] | None) -> None:
        """Call `callback` when the peer sends a C-CANCEL for that request; None: no longer."""
        if callback is None:
            self._cancels.pop(message_id, None)
        else:
            self._cancels[message_id] = callback
            if message_id in self._cancelled:
                self._cancelled.discard(message_id)
                callback()

    @asynccontextmanager
    async def exchange(
        self,
        context: Context,
        command: Command,
        data: bytes | AsyncIterator[bytes] | None = None,
        *,
        with_requests: bool = False,
    ) -> AsyncIterator[Responses]:
        """Send a request, give its responses; leaving before the final one aborts.

        Args:
            context: to send in.
            command: the request.
            data: its data set.
            with_requests: what the peer asks meanwhile comes among the responses, in the order
                of arrival (the C-STOREs of a C-GET), not from `next_request`.
        """
        assert command.message_id is not None  # noqa: S101 - a request has one
        if self._error is not None:
            raise self._error
        field = command.command_field | RESPONSE
        responses = Responses(field, self._uncount, self._timeouts.message)
        self._pending[command.message_id] = responses
        if with_requests:
            self._diverted = responses
        sent = self._sent
        if log.isEnabledFor(logging.DEBUG):
            service = Service(command.command_field).name.replace("_", "-")
            log.debug("%s %d to %s", service, command.message_id, self.peer)
        try:
            try:
                await self.send(context, command, data)
            finally:
                responses.asked = self._sent != sent
            yield responses
        finally:
            del self._pending[command.message_id]
            if self._diverted is responses:
                self._diverted = None
            responses.close()
            if responses.asked and not responses.final and self._error is None:
                self.abort("an exchange was left before its end")

    async def request(
        self,
        context: Context,
        command: Command,
        data: bytes | AsyncIterator[bytes] | None = None,
    ) -> Message:
        """Send a request that has one response, and give that.

        Raises:
            BackendError: the association was lost, or the answer did not come in time.
        """
        async with self.exchange(context, command, data) as responses:
            return await responses.__anext__()

    async def release(self) -> None:
        """End the association in order; returns when the connection is closed.

        A peer that does not answer within the association timer is aborted.
        """
        if self._state is State.OPEN and self._error is None:
            if self._release_asked:
                self._finish(pdu.ReleaseAnswered(), AssociationLost("the peer released"))
            else:
                self._state, self._since = State.RELEASING, self._loop.time()
                self._flush()
                self._transport.write(pdu.encode(pdu.ReleaseRequested()))
        await self.closed()


def _out_of_order(cause: str) -> PduError:
    # The DIMSE provider is the upper layer's user, so the abort is the user's (PS3.8 §9.3.8).
    return PduError(cause, AbortReason.NOT_SPECIFIED, AbortSource.USER)
