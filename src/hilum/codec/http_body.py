"""Where in the bytes of an HTTP/1.1 connection is the body of a message? (RFC 9112 §6, §7.1)."""

from collections.abc import Mapping
from typing import Final, Protocol

from hilum.model.instance import Piece

MAX_LINE = 16 * 1024  # bytes of a chunk's size line, with its extensions, or of a trailer
MAX_TRAILERS = 64 * 1024  # bytes
_MAX_SIZE = 16  # hexadecimal digits in the size of a chunk
_LINE: Final = 64  # bytes; mostly enough for a line


class Malformed(Exception):
    """The bytes are no body of this kind."""


class Framing(Protocol):
    """A push parser of one body.

    Attributes:
        done: the body has ended.
        rest: bytes behind its end.
    """

    done: bool
    rest: bytes

    def feed(self, data: Piece) -> list[Piece]:
        """Take in `data`, give what of it is body; of a memoryview nothing is copied.

        Raises:
            Malformed: it is no such body.
        """

    def eof(self) -> bool:
        """Say that no more comes; whether the body is whole."""


class Counted:
    """A body of so many bytes."""

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = not length
        self.rest = b""

    def feed(self, data: Piece) -> list[Piece]:
        """See `Framing`."""
        piece = data[: self._left]
        self._left -= len(piece)
        self.done = not self._left
        self.rest += data[len(piece) :]
        return [piece] if piece else []

    def eof(self) -> bool:
        """See `Framing`."""
        return self.done


class Unframed:
    """A body that ends with its connection."""

    def __init__(self) -> None:
        self.done = False
        self.rest = b""

    def feed(self, data: Piece) -> list[Piece]:
        """See `Framing`."""
        return [data]

    def eof(self) -> bool:
        """See `Framing`."""
        self.done = True
        return True


class Chunked:
    """A body in chunks (RFC 9112 §7.1). Bare line feeds are taken for line ends."""

    def __init__(self) -> None:
        self._line = b""  # of a size or a trailer, as far as it has come
        self._left = 0  # bytes of the current chunk still to come
        self._is_behind = False  # the line end behind a chunk is still to come
        self._trailers = -1  # bytes of them; -1: not yet there
        self.done = False
        self.rest = b""

    def feed(self, data: Piece) -> list[Piece]:
        """See `Framing`."""
        pieces: list[Piece] = []
        at, end = 0, len(data)
        while at < end and not self.done:
            if self._left:
                piece = data[at : at + self._left]
                self._left -= len(piece)
                at += len(piece)
                self._is_behind = not self._left
                pieces.append(piece)
                continue
            some, newline, _ = bytes(data[at : at + _LINE]).partition(b"\n")
            self._line += some
            at += len(some) + len(newline)
            if len(self._line) > MAX_LINE:
                raise Malformed("a line of a chunked body is too long")
            if newline:
                line, self._line = self._line.removesuffix(b"\r"), b""
                self._take(line)
        self.rest += data[at:]
        return pieces

    def _take(self, line: bytes) -> None:
        if self._trailers >= 0:
            self._trailers += len(line)
            if self._trailers > MAX_TRAILERS:
                raise Malformed("the trailers of a chunked body are too long")
            self.done = not line
        elif self._is_behind:
            if line:
                raise Malformed("a chunk is longer than its size")
            self._is_behind = False
        else:
            size = line.partition(b";")[0].strip(b" \t")
            if not 0 < len(size) <= _MAX_SIZE or size.strip(b"0123456789abcdefABCDEF"):
                raise Malformed("a chunk has no size")
            self._left = int(size, 16)
            if not self._left:
                self._trailers = 0

    def eof(self) -> bool:
        """See `Framing`."""
        return self.done


def framing(method: str, status: int, headers: Mapping[str, str]) -> Framing:
    """How the body of a response is framed (RFC 9112 §6.3).

    Args:
        method: of the request.
        status: of the response.
        headers: of the response, names in lower case, valid.
    """
    if method == "HEAD" or status in {204, 304}:
        return Counted(0)
    if "transfer-encoding" in headers:
        return Chunked()
    length = headers.get("content-length")
    return Unframed() if length is None else Counted(int(length))
