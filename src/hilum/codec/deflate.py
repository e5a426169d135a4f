"""Data sets in a deflated Transfer Syntax, inflated within bounds (PS3.5 §A.5)."""

from collections.abc import Callable, Iterator
from typing import Final
from zlib import MAX_WBITS, decompressobj
from zlib import error as ZlibError  # noqa: N812 - it is a class

from hilum.codec.header import Buffer
from hilum.model.errors import BadDataset

MAX_INFLATED: Final = 64 * 1024 * 1024
"""Bytes of a deflated data set that are looked at as a whole."""

_PIECE = 1024 * 1024  # bytes, the most that is inflated at a time
_FED = 64 * 1024  # bytes of the deflated data at a time
_STEP = 256 * 1024  # bytes, the most that is inflated while nobody else has a turn
_LOOK = 16 * 1024  # bytes before the first look at whether there is enough
_MORE = 16  # times as many before the next
_ZLIB_HEADER = 0x78  # begins no deflated data that an encoder would write (RFC 1950, RFC 1951)


def inflate(
    buffer: Buffer, most: int | None = None, is_enough: Callable[[bytearray], bool] | None = None
) -> tuple[bytearray, bool]:
    """The first `most` (`MAX_INFLATED`) bytes of a deflated data set, and whether there is more.

    A stream that ends too early gives what there is. Between pieces others have their turn.

    Args:
        buffer: the deflated data set.
        most: bytes that are wanted.
        is_enough: asked each time there is many times as much, with that, whether it will do.

    Raises:
        BadDataset: the bytes are not deflated.
    """
    most = most or MAX_INFLATED
    inflater = decompressobj(_window(bytes(buffer[:1])))
    data, look = bytearray(), _LOOK
    with memoryview(buffer) as whole:
        for at in range(0, len(whole), _FED):
            rest: Buffer = whole[at : at + _FED]
            while rest and not inflater.eof:
                if len(data) >= most or (is_enough and len(data) >= look and is_enough(data)):
                    return data, True
                look = look if len(data) < look else look * _MORE
                try:
                    data += inflater.decompress(rest, min(_STEP, most - len(data)))
                except ZlibError as error:
                    raise BadDataset("deflated data set cannot be inflated") from error
                rest = inflater.unconsumed_tail
    data += inflater.flush()  # the few bytes that zlib may still hold
    is_more = len(data) > most
    del data[most:]
    return data, is_more


def _window(first: bytes) -> int:
    """What zlib is to expect: no header of its own, but some write one."""
    return MAX_WBITS if first and first[0] == _ZLIB_HEADER else -MAX_WBITS


class Inflater:
    """Inflates one data set, piece by piece."""

    def __init__(self) -> None:
        self._zlib = decompressobj(-MAX_WBITS)
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What the next bytes become, in pieces of a MiB at most.

        Raises:
            BadDataset: they are not deflated.
        """
        if data and not self._begun:
            self._begun = True
            self._zlib = decompressobj(_window(data[:1]))
        while data and not self._zlib.eof:  # after its end comes padding
            try:
                plain = self._zlib.decompress(data, _PIECE)
            except ZlibError as error:
                raise BadDataset("deflated data set cannot be inflated") from error
            data = self._zlib.unconsumed_tail
            if not plain and not data:
                break
            yield plain

    def close(self, *, cut: bool = False) -> bytes:
        """The few bytes that zlib may still hold.

        Args:
            cut: a stream that has not come to its end gives what there is.

        Raises:
            BadDataset: the stream has not come to its end and may not.
        """
        rest = self._zlib.flush()
        if not self._zlib.eof and not cut:
            raise BadDataset("the deflated data set is cut off")
        return rest
