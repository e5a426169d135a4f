"""How is a request read, whatever it may be, and its answer framed? By h11."""

from collections.abc import Sequence
from typing import Final, Protocol

import h11
from h11._readers import ContentLengthReader  # to go past it: see `Exchange.passed`

from hilum.net.pieces import Piece, Pieces

RawHeaders = Sequence[tuple[bytes, bytes]]

BODILESS: Final = frozenset({204, 304})  # RFC 9110 §6.4.1


class Frames(Protocol):
    """Frames the answer of one request, and knows how far it is."""

    @property
    def expects(self) -> bool:
        """Whether the client waits for 100 Continue before it sends the body."""

    @property
    def body_came(self) -> bool:
        """Whether the client has sent all of the body."""

    @property
    def is_unanswered(self) -> bool:
        """Whether nothing was answered as yet."""

    @property
    def is_over(self) -> bool:
        """Whether request and answer are whole, and another request may follow."""

    def head(self, status: int, headers: RawHeaders) -> list[Piece]:
        """The head of the answer."""

    def body(self, data: bytes | Pieces) -> list[Piece]:
        """Some of its body; of one that has none, nothing."""

    def end(self) -> list[Piece]:
        """The end of it."""


class Exchange(h11.Connection):
    """What h11 knows of a connection; answers are framed, request after request."""

    def __init__(self, most: int) -> None:
        """Be ready.

        Args:
            most: bytes of a request's head.
        """
        super().__init__(h11.SERVER, most)
        self._has_body = True

    @property
    def they_are_waiting_for_100_continue(self) -> bool:
        """No: h11 is kept from asking for the body before the application wants it."""
        return False

    @property
    def is_fresh(self) -> bool:
        """Whether nothing of the next request is here, and it may come."""
        return (
            self.their_state is h11.IDLE
            and self.our_state is h11.IDLE
            and not self._receive_buffer  # of `trailing_data`, which copies it
        )

    @property
    def owed(self) -> int:
        """Bytes of a body of known length that are still to come, if what comes next is of it."""
        if self.their_state is not h11.SEND_BODY or self.client_is_waiting_for_100_continue:
            return 0
        if not isinstance(self._reader, ContentLengthReader) or self.trailing_data[0]:
            return 0
        return self._reader._remaining  # noqa: SLF001 - see `passed`

    def passed(self, count: int) -> None:
        """Count so many bytes of the body as read: h11 would copy each of them three times."""
        assert isinstance(self._reader, ContentLengthReader)  # noqa: S101 - see `owed`
        self._reader._remaining -= count  # noqa: SLF001 - h11 has no other way

    # See `Frames`

    @property
    def expects(self) -> bool:
        """See `Frames`."""
        return bool(self.client_is_waiting_for_100_continue)

    @property
    def body_came(self) -> bool:
        """See `Frames`."""
        return self.their_state is h11.DONE

    @property
    def is_unanswered(self) -> bool:
        """See `Frames`."""
        return self.our_state in {h11.IDLE, h11.SEND_RESPONSE}

    @property
    def is_over(self) -> bool:
        """See `Frames`."""
        return self.our_state is h11.DONE and self.their_state is h11.DONE

    def invitation(self) -> list[Piece]:
        """100 Continue."""
        return self._framed(h11.InformationalResponse(status_code=100, headers=[]))

    def head(self, status: int, headers: RawHeaders) -> list[Piece]:
        """See `Frames`."""
        self._has_body = self._request_method != b"HEAD" and status not in BODILESS
        return self._framed(h11.Response(status_code=status, headers=[*headers]))

    def body(self, data: bytes | Pieces) -> list[Piece]:
        """See `Frames`."""
        pieces: list[Piece] = []
        if data and self._has_body:
            # h11 asks for no more than its length.
            for each in self._framed(h11.Data(data=data)):  # type: ignore[arg-type]
                pieces += each.pieces if isinstance(each, Pieces) else (each,)
        return pieces

    def end(self) -> list[Piece]:
        """See `Frames`."""
        return self._framed(h11.EndOfMessage())

    def _framed(self, event: h11.Event) -> list[Piece]:
        """The bytes of an event; none where the client broke the protocol meanwhile."""
        try:
            return [*(self.send_with_data_passthrough(event) or ())]
        except h11.LocalProtocolError:
            if self.their_state is not h11.ERROR:
                raise
            return []
