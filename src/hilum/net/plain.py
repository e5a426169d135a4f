"""Which requests need no reading by h11? Those without a body whose head came whole: most of them.

What is taken here h11 would take as well, and understand in the same way; whatever is unusual goes
to h11, which knows it all. See architecture/decisions/0028-plain-requests.md.
"""

import re
from typing import Final

from hilum.net.exchange import BODILESS, RawHeaders
from hilum.net.pieces import Piece, Pieces

_TOKEN: Final = rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+"  # RFC 9110 §5.6.2
_TEXT: Final = rb"[\t\x20-\x7e\x80-\xff]*"
_LINE: Final = re.compile(rb"(GET|HEAD) (/[\x21-\x7e]*) HTTP/1\.1")
_LINES: Final = re.compile(rb"(?:%s:%s\r\n)+\r\n" % (_TOKEN, _TEXT))
_FIELDS: Final = re.compile(rb"(?:%s: %s\r\n)*" % (_TOKEN, _TEXT))
_LONGEST: Final = 16 * 1024  # bytes of a head
_UNUSUAL: Final = frozenset(
    (b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te")
)
"""Headers by which a request has a body, or wants something else of the connection."""

Headers = list[tuple[bytes, bytes]]


class Told:
    """The headers that a client has sent: most send the same with each request of a connection."""

    __slots__ = ("_headers", "_lines")

    def __init__(self) -> None:
        self._lines = b""
        self._headers: Headers | None = None

    def read(self, lines: bytes) -> Headers | None:
        """What these lines are, up to the empty one at their end; None: it is for h11 to say."""
        if lines != self._lines:
            self._headers = _headers(lines)
            self._lines = lines
        return None if self._headers is None else self._headers.copy()


class Plain:
    """One such request, and how its answer is framed (RFC 9112 §6); see `exchange.Frames`.

    Attributes:
        method: GET or HEAD.
        target: path and query.
        headers: names in lower case.
    """

    __slots__ = (
        *("_closes", "_has_body", "_is_whole", "_left", "_status"),
        *("headers", "method", "target"),
    )

    expects = False
    body_came = True

    def __init__(self, method: bytes, target: bytes, headers: Headers) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self._status = 0
        self._has_body = True  # the answer
        self._left: int | None = 0  # bytes of it that are still to come; None: it comes in chunks
        self._closes = False
        self._is_whole = False

    @classmethod
    def read(cls, data: bytes, told: Told) -> "Plain | None":
        """The request that these bytes are, no more and no less; None: it is for h11 to say.

        Args:
            data: what has come.
            told: by the requests before this one.
        """
        if len(data) > _LONGEST:
            return None
        first, _, lines = data.partition(b"\r\n")
        line = _LINE.fullmatch(first)
        headers = None if line is None else told.read(lines)
        return None if line is None or headers is None else cls(line[1], line[2], headers)

    @property
    def is_unanswered(self) -> bool:
        """See `Frames`."""
        return not self._status

    @property
    def is_over(self) -> bool:
        """See `Frames`."""
        return self._is_whole and not self._closes

    def head(self, status: int, headers: RawHeaders) -> list[Piece]:
        """See `Frames`.

        Raises:
            ValueError: a header is none; it could forge another.
        """
        length: int | None = None
        for name, value in headers:
            if name == b"content-length":
                if length is not None or not value.isdigit():
                    raise ValueError("an answer has no length, or two")
                length = int(value)
            elif name == b"connection":
                self._closes = value == b"close"
        fields = b"".join([b"%s: %s\r\n" % each for each in headers])
        if fields.count(b"\n") != len(headers) or _FIELDS.fullmatch(fields) is None:
            raise ValueError("an answer has a header that is none")
        self._status = status
        self._has_body = self.method != b"HEAD" and status not in BODILESS
        self._left = length
        if length is None and status not in BODILESS:
            fields += b"transfer-encoding: chunked\r\n"
        return [b"HTTP/1.1 %d \r\n%s\r\n" % (status, fields)]

    def body(self, data: bytes | Pieces) -> list[Piece]:
        """See `Frames`.

        Raises:
            ValueError: it is longer than was said.
        """
        size = len(data)
        if not size or not self._has_body:
            return []
        pieces: list[Piece] = [*data.pieces] if isinstance(data, Pieces) else [data]
        if self._left is None:
            return [b"%x\r\n" % size, *pieces, b"\r\n"]
        if size > self._left:
            raise ValueError("an answer is longer than was said")
        self._left -= size
        return pieces

    def end(self) -> list[Piece]:
        """See `Frames`.

        Raises:
            ValueError: it is shorter than was said.
        """
        if self._left and self._has_body:
            raise ValueError("an answer is shorter than was said")
        self._is_whole = True
        return [b"0\r\n\r\n"] if self._left is None and self._has_body else []


def _headers(lines: bytes) -> Headers | None:
    """The headers in the lines, which end with an empty one; None: it is for h11 to say."""
    if _LINES.fullmatch(lines) is None:
        return None
    headers = []
    hosts = 0
    for line in lines.split(b"\r\n")[:-2]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if name in _UNUSUAL or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
        hosts += name == b"host"
        headers.append((name, value))
    return headers if hosts == 1 else None
