"""Which objects are in a JSON array that comes in pieces? Bytes in, one object's bytes out."""

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from hilum.model.errors import BadDataset, TooLarge

MAX_OBJECT: Final = 64 * 1024 * 1024
"""Bytes of one object: metadata of an enhanced multi-frame instance has some ten MiB."""

_BOM = b"\xef\xbb\xbf"
_BLANK = re.compile(rb"[ \t\r\n]*+")
_BETWEEN = re.compile(rb"[ \t\r\n,]*+")
# What does not change the depth: anything but quotes and braces, whole strings, and whole objects
# that hold no other. Possessive, so that a cut in the middle costs no backtracking.
_STRING = rb'"(?>[^"\\]++|\\.)*+"'
_LEVEL = re.compile(
    rb'(?>[^"{}]++|' + _STRING + rb'|\{(?>[^"{}]++|' + _STRING + rb")*+\})*+", re.DOTALL
)
_IN_STRING = re.compile(rb'(?>[^"\\]++|\\.)*+', re.DOTALL)
_QUOTE, _OPEN, _CLOSE, _BEGIN, _END = b'"{}[]'


class _State(Enum):
    START = auto()
    BETWEEN = auto()
    OBJECT = auto()
    DONE = auto()


class JsonStream:
    """Push parser of `[{…}, {…}]`: feed it what the network gives, in pieces of any size.

    Holds back no more than one object. It finds where objects begin and end, and leaves it to
    their reader whether each is sound. Lenient: an empty body, an object alone instead of an
    array, a byte order mark, blanks anywhere between.

    Args:
        max_object: bytes of one object, and of what stands between two.
    """

    def __init__(self, max_object: int = MAX_OBJECT) -> None:
        self._max_object = max_object
        self._buffer = bytearray()  # which grows without a copy of all, however small the pieces
        self._begin = 0  # where the object at hand begins
        self._at = 0  # how far it was looked at
        self._depth = 0
        self._in_string = False
        self._skipped = 0  # bytes since the last object
        self._alone = False
        self._state = _State.START

    @property
    def done(self) -> bool:
        """Whether the array, or the only object, has ended."""
        return self._state is _State.DONE

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take in `data`, give the objects it completes. Read them all before feeding more.

        Raises:
            BadDataset: this is no array of objects.
            TooLarge: an object is longer than it may be, or none comes.
        """
        kept = self._begin if self._state is _State.OBJECT else self._at
        del self._buffer[:kept]
        self._buffer += data
        self._at -= kept
        self._begin = 0
        if self._state is _State.START and not self._started():
            return
        while True:
            if self._state is _State.OBJECT:
                if not self._object_ends():
                    break
                self._state = _State.DONE if self._alone else _State.BETWEEN
                self._skipped = 0
                yield bytes(self._buffer[self._begin : self._at])
            elif not self._next_begins():
                break
        if self._state is _State.OBJECT and len(self._buffer) - self._begin > self._max_object:
            raise TooLarge(f"an object is longer than {self._max_object} bytes")

    def close(self) -> None:
        """Say that no more data comes.

        Raises:
            BadDataset: it ended in the middle.
        """
        if self._state is not _State.DONE and self._state is not _State.START:
            raise BadDataset("the JSON ended before its array did")
        if self._state is _State.START and self._buffer.strip(_BOM + b" \t\r\n"):
            raise BadDataset("not JSON")

    def _started(self) -> bool:
        """Past the bracket that opens the array, or at the brace of an object alone."""
        if self._buffer[:3] == _BOM:
            del self._buffer[:3]
        elif _BOM.startswith(bytes(self._buffer[:3])):
            return False
        self._at = self._blank(_BLANK)
        if self._at == len(self._buffer):
            return False
        first = self._buffer[self._at]
        if first == _BEGIN:
            self._at += 1
        elif first == _OPEN:
            self._alone = True
        else:
            raise BadDataset("not a JSON array")
        self._state = _State.BETWEEN
        return True

    def _next_begins(self) -> bool:
        """To the next object; False where the data, or the array, end before it."""
        self._at = self._blank(_BLANK if self.done else _BETWEEN)
        if self._at == len(self._buffer):
            return False
        found = self._buffer[self._at]
        if self.done or found not in {_OPEN, _END} or (found == _END and self._alone):
            raise BadDataset("something else than objects stands in the JSON array")
        if found == _END:
            self._state = _State.DONE
            self._at += 1
            return True
        self._state = _State.OBJECT
        self._begin, self._depth = self._at, 1
        self._at += 1
        return True

    def _blank(self, pattern: "re.Pattern[bytes]") -> int:
        """Where the blanks end that begin here.

        Raises:
            TooLarge: there is nothing else.
        """
        found = pattern.match(self._buffer, self._at)
        end = found.end() if found else self._at
        self._skipped += end - self._at
        if self._skipped > self._max_object:
            raise TooLarge(f"nothing but blanks for {self._max_object} bytes")
        return end

    def _object_ends(self) -> bool:
        """Look on; whether the object at hand ends, at `_at`."""
        buffer, end = self._buffer, len(self._buffer)
        while True:
            pattern = _IN_STRING if self._in_string else _LEVEL
            found = pattern.match(buffer, self._at)
            self._at = found.end() if found else self._at
            if self._at == end:
                return False
            byte = buffer[self._at]
            if byte == _QUOTE:
                self._in_string = not self._in_string
            elif byte == _OPEN:
                self._depth += 1
            elif byte == _CLOSE:
                self._depth -= 1
            else:  # a backslash: what it escapes is still to come
                return False
            self._at += 1
            if self._depth == 0:
                return True
