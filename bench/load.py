"""How many small HTTP requests does a server answer? One process, kept connections, plain sockets.

An answer is read away, not kept. What the client itself costs is told with the result: below a
tenth of a millisecond for a small answer, which is less than any server here takes.
"""

import re
import selectors
import socket
import ssl
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import Self
from urllib.parse import urlsplit

from bench.access import OPEN, Access
from bench.clients import ClientFailed, NotOffered

_BUFFER = 1024 * 1024  # bytes read at a time
_HEAD_END = b"\r\n\r\n"
_PATIENCE = 120.0  # seconds without a byte
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:\s*chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:\s*close", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Load:
    """What a server answered.

    Attributes:
        rate: answers per second.
        p50: median of one answer's time, in seconds.
        count: answers.
        client: CPU seconds of this client for each answer.
    """

    rate: float
    p50: float
    count: int
    client: float


class Reader:
    """Finds the end of one HTTP/1.1 response.

    Attributes:
        status: once its head is there.
        closes: the server closes the connection behind it.
    """

    def __init__(self) -> None:
        self.status = 0
        self.closes = False
        self._head = bytearray()
        self._left = 0
        self._chunked = False
        self._line = bytearray()
        self._last = False

    def feed(self, data: memoryview) -> bool:
        """Take what came; whether it ends the response."""
        if not self.status:
            self._head += data
            end = self._head.find(_HEAD_END)
            if end < 0:
                return False
            rest = bytes(self._head[end + len(_HEAD_END) :])
            self._parse(bytes(self._head[: end + 2]))
            return self._body(memoryview(rest))
        return self._body(data)

    def _parse(self, head: bytes) -> None:
        self.status = int(head.split(b" ", 2)[1])
        self.closes = _CLOSE.search(head) is not None
        self._chunked = _CHUNKED.search(head) is not None
        length = _LENGTH.search(head)
        if length is not None:
            self._left = int(length[1])
        elif not self._chunked and self.status not in (204, 304):
            raise ClientFailed("an answer without a length")

    def _body(self, data: memoryview) -> bool:
        if not self._chunked:
            self._left -= len(data)
            return self._left <= 0
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            piece = bytes(data[at : at + 64])
            end = piece.find(b"\n")
            self._line += piece if end < 0 else piece[: end + 1]
            at += len(piece) if end < 0 else end + 1
            if end < 0:
                continue
            line, self._line = bytes(self._line).strip(), bytearray()
            if self._last:
                if not line:  # behind the last chunk, and what trailers there are
                    return True
                continue
            size = int(line.split(b";")[0], 16)
            self._last = size == 0
            self._left = size + 2 if size else 0
        return False


@dataclass(slots=True)
class _Connection:
    address: tuple[str, int]
    requests: Iterator[bytes]
    access: Access
    link: socket.socket = field(init=False)
    reader: Reader = field(default_factory=Reader, init=False)
    request: bytes = b""
    began: float = 0.0
    answers: int = 0

    def open(self) -> None:
        self.link = socket.create_connection(self.address)
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.access.context:
            name = self.address[0]
            self.link = self.access.context.wrap_socket(self.link, server_hostname=name)
            self.link.setblocking(False)  # noqa: FBT003 - it gives one record at a time
        self.reader = Reader()
        self.answers = 0

    def close(self) -> None:
        self.link.close()

    def ask(self) -> None:
        self.reader = Reader()
        self.request = next(self.requests)
        self.began = time.perf_counter()
        self.link.sendall(self.request)


def requests_for(urls: Sequence[str], accept: str, access: Access = OPEN) -> list[bytes]:
    """GET requests, ready to be sent."""
    made, more = [], f"{access.header}\r\n" if access.header else ""
    for url in urls:
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        head = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: {accept}\r\n{more}\r\n"
        made.append(head.encode())
    return made


class Asking:
    """Connections to a server, which are kept; to be entered."""

    def __init__(
        self, urls: Sequence[str], accept: str, connections: int, access: Access = OPEN
    ) -> None:
        parts = urlsplit(urls[0])
        address = (parts.hostname or "", parts.port or 80)
        requests = cycle(requests_for(urls, accept, access))
        self._buffer = memoryview(bytearray(_BUFFER))
        self._connections = [_Connection(address, requests, access) for _ in range(connections)]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for each in self._connections:
                each.open()
                stack.callback(each.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def ask(self, seconds: float) -> Load:
        """Ask for the URLs, again and again, for so long; the last answers are waited for.

        Raises:
            NotOffered: the status of an answer is another than 200.
            ClientFailed: an answer does not come.
        """
        times: list[float] = []
        with selectors.DefaultSelector() as selector:
            began, cpu = time.perf_counter(), time.process_time()
            for connection in self._connections:
                selector.register(connection.link, selectors.EVENT_READ, connection)
                _again(connection, selector)
            while selector.get_map():
                for each in _ready(selector):
                    took = _receive(each, self._buffer, selector)
                    if took is None:
                        continue
                    times.append(took)
                    if time.perf_counter() - began < seconds:
                        _again(each, selector)
                    else:
                        selector.unregister(each.link)
            ended, spent = time.perf_counter(), time.process_time() - cpu
        count = len(times)
        return Load(count / (ended - began), statistics.median(times), count, spent / count)


def load(
    urls: Sequence[str], accept: str, connections: int, seconds: float, access: Access = OPEN
) -> Load:
    """Ask on new connections, see `Asking.ask`; to open them is not measured.

    Raises:
        NotOffered, ClientFailed: as there.
    """
    with Asking(urls, accept, connections, access) as asking:
        return asking.ask(seconds)


def _begin(connection: _Connection, selector: selectors.BaseSelector) -> None:
    connection.open()
    selector.register(connection.link, selectors.EVENT_READ, connection)
    connection.ask()


def _again(connection: _Connection, selector: selectors.BaseSelector) -> None:
    if connection.reader.closes:
        selector.unregister(connection.link)
        connection.link.close()
        _begin(connection, selector)
    else:
        connection.ask()


def _ready(selector: selectors.BaseSelector) -> list[_Connection]:
    events = selector.select(_PATIENCE)
    if not events:
        raise ClientFailed(f"no answer for {_PATIENCE:g} s")
    return [key.data for key, _ in events]


def _receive(
    connection: _Connection, buffer: memoryview, selector: selectors.BaseSelector
) -> float | None:
    """Read what is there; the seconds of the answer if it is whole now."""
    with suppress(ssl.SSLWantReadError):
        while True:
            took = _read(connection, buffer, selector)
            closed = connection.link.fileno() < 0
            if took is not None or closed or not isinstance(connection.link, ssl.SSLSocket):
                return took
    return None


def _read(
    connection: _Connection, buffer: memoryview, selector: selectors.BaseSelector
) -> float | None:
    """The same, of one read; with TLS that is one record.

    Raises:
        ssl.SSLWantReadError: nothing is there, or not all of a record.
    """
    count = connection.link.recv_into(buffer)
    if not count:
        if connection.reader.status or not connection.answers:
            raise ClientFailed("the server closed the connection within an answer")
        selector.unregister(connection.link)  # it had closed it before we asked
        connection.link.close()
        _begin(connection, selector)
        return None
    if not connection.reader.feed(buffer[:count]):
        return None
    connection.answers += 1
    if connection.reader.status != 200:
        raise NotOffered(f"HTTP {connection.reader.status}")
    return time.perf_counter() - connection.began
