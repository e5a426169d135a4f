"""What is in a multipart/related body? Bytes in, events out (RFC 2046 §5.1, PS3.18 §8.6.1.2)."""

import re
import secrets
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from types import MappingProxyType

from hilum.model.errors import BadRequest, TooLarge
from hilum.model.instance import Piece

MAX_HEAD = 16 * 1024  # bytes
MAX_PARTS = 10_000
MAX_BOUNDARY = 200  # characters; RFC 2046 says 70
_LENGTH = re.compile(r"[0-9]{1,18}")
_PADDING = b" \t"  # transport-padding


@dataclass(frozen=True, slots=True)
class PartStarted:
    """The headers of a part have been read; names are lower case."""

    headers: Mapping[str, str]

    @property
    def size(self) -> int | None:
        """Bytes of its data, where its head says that."""
        length = self.headers.get("content-length", "")
        return int(length) if _LENGTH.fullmatch(length) else None


@dataclass(frozen=True, slots=True)
class PartData:
    """Some bytes of the current part."""

    data: Piece


@dataclass(frozen=True, slots=True)
class PartEnded:
    """The current part is complete."""


Event = PartStarted | PartData | PartEnded


class _State(Enum):
    PREAMBLE = auto()
    HEAD = auto()
    BODY = auto()
    DONE = auto()


class MultipartReader:
    """Push parser: feed it what the network gives, in pieces of any size.

    Holds back no more than one delimiter line, or one part head, of at most `MAX_HEAD` bytes.
    Lenient: a preamble and an epilogue are skipped, parts need no headers, padding after the
    delimiter is skipped, and a body whose first delimiter line ends in a bare line feed is
    read with bare line feeds throughout.

    Args:
        boundary: of the parts.
        max_parts: more are refused.
        believes: a part's Content-Length, and looks for its delimiter behind that only. To search
            256 KiB costs a third as much as to receive them. Whoever believes must hold the data
            that came against the length: one that is too long takes in what comes behind it.

    Raises:
        BadRequest: the boundary is empty or longer than `MAX_BOUNDARY`.
    """

    def __init__(
        self, boundary: str, max_parts: int = MAX_PARTS, *, believes: bool = False
    ) -> None:
        if not 0 < len(boundary) <= MAX_BOUNDARY or "\n" in boundary or "\r" in boundary:
            raise BadRequest("the multipart boundary is missing or not usable")
        self._dashed = b"--" + boundary.encode("utf-8", "surrogateescape")
        self._newline = b"\r\n"
        # LF is what both kinds of line share; the buffer begins with a line's end, so that a
        # delimiter on the very first line is one.
        self._delimiter = b"\n" + self._dashed
        self._buffer = b"\r\n"
        self._at = 0  # where the unread part of the buffer begins
        self._owed = 0  # bytes there that belong to the head before
        self._state = _State.PREAMBLE
        self._parts = 0
        self._max_parts = max_parts
        self._believes = believes
        self._sure = 0  # bytes of the part that are not searched

    @property
    def done(self) -> bool:
        """Whether the closing delimiter has been read; what comes after it means nothing."""
        return self._state is _State.DONE

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take in `data`, give the events it completes. Read them all before feeding more.

        Raises:
            BadRequest: a part head is malformed or longer than `MAX_HEAD`.
            TooLarge: there are too many parts.
        """
        if self.done:
            return
        rest = self._buffer[self._at :]
        self._buffer = rest + data if rest else data
        self._at = 0
        going = True
        while going:
            if self._state is _State.HEAD:
                going = yield from self._read_head()
            elif self.done:
                self._buffer, self._at, going = b"", 0, False
            else:
                going = yield from self._read_until_delimiter()

    @property
    def sure(self) -> int:
        """Bytes of the part that come next, and in which there is nothing to look for.

        Who has them may tell of them by `pass_by`, and feed what comes behind them.
        """
        return self._sure if self._at + self._owed == len(self._buffer) else 0

    def pass_by(self, count: int) -> None:
        """So many of the `sure` bytes are not fed."""
        self._sure -= count
        self._buffer, self._at, self._owed = b"", 0, 0

    def close(self) -> None:
        """Say that no more data comes.

        Raises:
            BadRequest: the closing delimiter was never seen.
        """
        if not self.done:
            raise BadRequest("the multipart body ended before its closing delimiter")

    def _read_until_delimiter(self) -> Generator[Event, None, bool]:
        in_part = self._state is _State.BODY
        if self._sure:
            yield from self._give_sure()
            if self._sure:
                return False
        search = self._at
        while True:
            found = self._buffer.find(self._delimiter, search)
            if found < 0:
                yield from self._emit(max(self._at, self._begun()), in_part=in_part)
                return False
            end = self._line_end(found + len(self._delimiter))
            if end is None:
                yield from self._emit(found, in_part=in_part)
                return False
            if end >= 0:
                break
            search = found + 1  # a longer boundary that begins like ours: data
        yield from self._emit(found, in_part=in_part)
        if in_part:
            yield PartEnded()
        self._at, self._owed = end, 0
        return True

    def _give_sure(self) -> Iterator[Event]:
        begin = self._at + self._owed
        end = min(begin + self._sure, len(self._buffer))
        if end > begin:
            yield PartData(self._buffer[begin:end])
            self._at, self._owed = end, 0
            self._sure -= end - begin

    def _begun(self) -> int:
        """Where at the end of the buffer a delimiter may have begun; mostly that is nowhere.

        So a piece of a part goes on as it came, without a copy.
        """
        buffer, delimiter = self._buffer, self._delimiter
        at = max(0, len(buffer) - len(delimiter) + 1)
        while (at := buffer.find(delimiter[:1], at)) >= 0:
            if delimiter.startswith(buffer[at:]):
                return at
            at += 1
        return len(buffer)

    def _line_end(self, at: int) -> int | None:
        """Where the delimiter line ends whose boundary ends at `at`; sets the next state.

        None: that is not in the buffer yet. Negative: it is no delimiter line.
        A part's head is left with the line end before it, so that an empty one is seen.
        """
        buffer = self._buffer
        if buffer[at : at + 2] == b"--":
            self._state = _State.DONE
            return at + 2
        padded = at
        while padded < len(buffer) and buffer[padded] in _PADDING and padded - at < MAX_HEAD:
            padded += 1
        rest = buffer[padded : padded + 2]
        if rest == b"\r\n":
            if self._state is _State.PREAMBLE:
                self._delimiter = b"\r\n" + self._dashed
        elif rest[:1] == b"\n" and (self._state is _State.PREAMBLE or self._newline == b"\n"):
            self._newline = b"\n"
        elif rest in {b"", b"\r"} or (buffer[at:] == b"-"):
            return None
        else:
            return -1
        self._state = _State.HEAD
        return padded

    def _emit(self, end: int, *, in_part: bool) -> Iterator[Event]:
        begin = self._at + self._owed
        if end > begin and in_part:
            yield PartData(self._buffer[begin:end])
        self._owed = max(begin - end, 0)
        self._at = max(end, self._at)

    def _read_head(self) -> Generator[Event, None, bool]:
        blank = self._newline * 2
        end = self._buffer.find(blank, self._at, self._at + MAX_HEAD + len(blank))
        if end < 0:
            if len(self._buffer) - self._at > MAX_HEAD:
                raise BadRequest("a multipart part's head is too long")
            return False
        started = _started(self._buffer[self._at : end], self._newline)
        self._parts += 1
        if self._parts > self._max_parts:
            raise TooLarge(f"the multipart body has more than {self._max_parts} parts")
        # The last line end is left: where a part is empty, some let it begin the delimiter.
        self._owed = len(self._newline)
        self._at = end + self._owed
        self._state = _State.BODY
        self._sure = (started.size or 0) if self._believes else 0
        yield started
        return True


@lru_cache(maxsize=64)  # the heads of a study's parts are often the same
def _started(head: bytes, newline: bytes) -> PartStarted:
    headers: dict[str, str] = {}
    last = ""
    for line in head.decode("latin-1").split(newline.decode()):
        if not line.strip():
            continue
        if line[0] in " \t" and last:  # obsolete folding, RFC 5322 §2.2.3
            headers[last] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise BadRequest("a multipart part's head has a line without a colon")
        last = name.strip().lower()
        headers[last] = value.strip()
    return PartStarted(MappingProxyType(headers))


def new_boundary() -> str:
    """A boundary that no data has: 128 random bits, and no character that needs quotes."""
    return secrets.token_hex(16)


def part_head(boundary: str, headers: Mapping[str, str], *, first: bool = False) -> bytes:
    """What goes before a part's data; all but the first begin with the line end before it."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    before = "" if first else "\r\n"
    return f"{before}--{boundary}\r\n{lines}\r\n".encode("latin-1")


def closing(boundary: str) -> bytes:
    """What goes after the last part's data."""
    return f"\r\n--{boundary}--\r\n".encode("latin-1")
