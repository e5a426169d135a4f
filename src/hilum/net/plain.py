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
_HEAD: Final = re.compile(
    rb"(GET|HEAD) (/[\x21-\x7e]*) HTTP/1\.1\r\n((?:%s:%s\r\n)+)\r\n" % (_TOKEN, _TEXT)
)
_FIELDS: Final = re.compile(rb"(?:%s: %s\r\n)*" % (_TOKEN, _TEXT))
_LONGEST: Final = 16 * 1024  # bytes of a head
_UNUSUAL: Final = frozenset(
    (b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te")
)
"""Headers by which a request has a body, or wants something else of the connection."""


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

    def __init__(self, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self._status = 0
        self._has_body = True  # the answer
        self._left: int | None = 0  # bytes of it that are still to come; None: it comes in chunks
        self._closes = False
        self._is_whole = False

    @classmethod
    def read(cls, data: bytes) -> "Plain | None":
        """The request that these bytes are, no more and no less; None: it is for h11 to say."""
        if len(data) > _LONGEST:
            return None
        head = _HEAD.fullmatch(data)
        if head is None:
            return None
        headers = []
        hosts = 0
        for line in head[3].split(b"\r\n")[:-1]:
            name, _, value = line.partition(b":")
            name, value = name.lower(), value.strip(b" \t")
            if name in _UNUSUAL or (name == b"connection" and value.lower() != b"keep-alive"):
                return None
            hosts += name == b"host"
            headers.append((name, value))
        return cls(head[1], head[2], headers) if hosts == 1 else None

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
        if _FIELDS.fullmatch(fields) is None or fields.count(b"\n") != len(headers):
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
