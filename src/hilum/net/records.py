"""What is encrypted next of all that waits to be sent? Whole records of TLS, with few copies."""

from collections import deque
from collections.abc import Iterable
from typing import Final

Buffer = bytes | bytearray | memoryview

RECORD: Final = 16 * 1024
"""Bytes in one record of TLS, at most (RFC 8446 §5.1)."""


class Records:
    """Pieces of any length that wait to be sent.

    Attributes:
        size: bytes that wait.
    """

    def __init__(self) -> None:
        self.size = 0
        self._waiting: deque[Buffer] = deque()
        self._at = 0  # bytes of the first of them that are gone
        self._begun: Buffer = b""

    def add(self, pieces: Iterable[Buffer]) -> None:
        """Have them wait too; nobody may change them any more."""
        for each in pieces:
            if each:
                self._waiting.append(each)
                self.size += len(each)

    def first(self, most: int) -> Buffer:
        """The first bytes; the same again until they are `sent`, as OpenSSL must have it.

        Args:
            most: bytes, in whole records.
        """
        self._begun = self._begun or self._next(most)
        return self._begun

    def sent(self) -> None:
        """They are gone."""
        count = len(self._begun)
        self._begun = b""
        self.size -= count
        count += self._at
        while self._waiting and count >= len(self._waiting[0]):
            count -= len(self._waiting.popleft())
        self._at = count

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()
        self._begun, self._at, self.size = b"", 0, 0

    def _next(self, most: int) -> Buffer:
        first = self._waiting[0]
        rest = len(first) - self._at
        if rest < RECORD and len(self._waiting) > 1:
            return self._joined()
        if rest > RECORD:
            rest = min(rest - rest % RECORD, most)
        elif not self._at:
            return first
        return memoryview(first)[self._at : self._at + rest]

    def _joined(self) -> bytes:
        """One record of several pieces."""
        at, room, pieces = self._at, RECORD, []
        for each in self._waiting:
            piece = memoryview(each)[at : at + room]
            pieces.append(piece)
            room -= len(piece)
            at = 0
            if not room:
                break
        return b"".join(pieces)
