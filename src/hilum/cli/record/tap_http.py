"""What do a client and a server say to each other over HTTP/1.1? Bytes of both in, events out."""

from collections import deque
from typing import Any, Final

import h11

from hilum.cli.record import datasets, web_words
from hilum.cli.record.disguise import Disguise
from hilum.cli.record.events import Say
from hilum.cli.record.tap_dimse import ACCEPTOR, REQUESTOR

_HEAD: Final = 64 * 1024  # bytes


class HttpTap:
    """One connection, with any number of requests one after another.

    Args:
        disguise: takes out whom it is about.
        say: writes an event.
    """

    def __init__(self, disguise: Disguise, say: Say) -> None:
        self._say = say
        self._disguise = disguise
        self._methods: deque[bytes] = deque()  # of requests that are not answered yet
        self._sides = {REQUESTOR: _Side(self, REQUESTOR), ACCEPTOR: _Side(self, ACCEPTOR)}

    def feed(self, side: str, data: bytes) -> None:
        """Take in what one of them has sent."""
        self._sides[side].feed(data)

    def close(self, side: str) -> None:
        """It sends no more."""
        self._sides[side].feed(b"")
        self._say("closed", side)

    def reader(self, side: str) -> h11.Connection | None:
        """What reads the next message of a side; None: none is due."""
        if side == REQUESTOR:
            return h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD)
        if not self._methods:
            return None
        made = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD)
        method = self._methods.popleft()
        made.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        made.send(h11.EndOfMessage())
        return made

    def began(self, side: str, event: h11.Request | h11.Response) -> None:
        """The head of a message is here."""
        if isinstance(event, h11.Request):
            self._methods.append(event.method)
        if side == REQUESTOR:
            self._sides[ACCEPTOR].feed(None)

    def ended(self, side: str, head: h11.Request | h11.Response, content: bytes | None) -> None:
        """A message is whole; content: None where it was too long."""
        said = web_words.headers(head.headers)
        told: dict[str, Any] | None = {"without": "it is too long"}
        if content is not None:
            told = web_words.body(self._disguise, said, content)
        if isinstance(head, h11.Request):
            target = web_words.target(self._disguise, head.target.decode("latin-1"))
            method = head.method.decode()
            self._say("request", side, method=method, target=target, headers=said, body=told)
        else:
            self._say("response", side, status=head.status_code, headers=said, body=told)

    def broke(self, side: str) -> None:
        """What comes is no HTTP."""
        self._say("broken", side, why="no HTTP/1.1")


class _Side:
    """What one of the two sends."""

    def __init__(self, tap: HttpTap, side: str) -> None:
        self._tap = tap
        self._side = side
        self._reader: h11.Connection | None = None
        self._waiting = bytearray()  # what came before it was clear what it answers
        self._head: h11.Request | h11.Response | None = None
        self._content = bytearray()
        self._size = 0
        self._is_broken = self._is_over = False

    def feed(self, data: bytes | None) -> None:
        """Take in bytes; b"" is the end; None: look again at what waits."""
        if self._is_broken:
            return
        if data == b"":
            self._is_over = True
        self._waiting += data or b""
        try:
            self._read()
        except h11.RemoteProtocolError:
            self._is_broken = True
            if not self._is_over or self._head is not None:
                self._tap.broke(self._side)

    def _read(self) -> None:
        while self._waiting or (self._is_over and self._reader is not None):
            if self._reader is None:
                self._reader = self._tap.reader(self._side)
                if self._reader is None:
                    return
            data = bytes(self._waiting)
            self._waiting.clear()
            self._reader.receive_data(data)
            if data and self._is_over:
                self._reader.receive_data(b"")
            if not self._events(self._reader):
                return

    def _events(self, reader: h11.Connection) -> bool:
        """Take what is whole; whether a message ended."""
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return False
            if isinstance(event, h11.Request | h11.Response):
                self._head, self._size = event, 0
                self._tap.began(self._side, event)
            elif isinstance(event, h11.Data):
                self._size += len(event.data)
                if self._size <= datasets.MOST:
                    self._content += event.data
            elif isinstance(event, h11.EndOfMessage) and self._head is not None:
                whole = self._size <= datasets.MOST
                self._tap.ended(self._side, self._head, bytes(self._content) if whole else None)
                self._head = self._reader = None
                self._content.clear()
                self._waiting[:0] = reader.trailing_data[0]
                return True
            elif isinstance(event, h11.ConnectionClosed):
                return False
