"""How metadata are kept small: deflated, against those of the first instance of their series.

Instances of one series differ in little. With the JSON of the first as a preset dictionary (RFC
1950 §2.2) the others take a tenth of the room, and are inflated several times as fast.
zlib-ng does it in two thirds of zlib's time, and either reads what the other wrote.
"""

from functools import lru_cache
from typing import Final

from zlib_ng import zlib_ng as zlib

_LEVEL: Final = 2  # of zlib-ng: of series nearly as small as the best, in half of its time
_LONGEST: Final = 32 * 1024
"""Bytes of a dictionary, zlib's window; longer metadata are not used as one."""
ROOM: Final = 2 * 1024 * 1024  # bytes of dictionaries that are remembered
_EACH = 512  # bytes that each takes besides


def deflate(json: bytes, dictionary: bytes = b"") -> bytes:
    """Metadata as they are kept."""
    if not dictionary:
        return zlib.compress(json, _LEVEL)
    deflater = zlib.compressobj(_LEVEL, zdict=dictionary)
    return deflater.compress(json) + deflater.flush()


def inflate(data: bytes, dictionary: bytes = b"") -> bytes:
    """The reverse, with the same dictionary."""
    return (
        zlib.decompressobj(zdict=dictionary).decompress(data)
        if dictionary
        else zlib.decompress(data)
    )


@lru_cache(maxsize=16)
def dictionary_of(data: bytes | None) -> bytes:
    """A dictionary as it is kept, inflated; b"" for none."""
    return b"" if data is None else zlib.decompress(data)


def as_dictionary(json: bytes) -> bytes:
    """Metadata as a dictionary for others, or b"" where they are too long for it.

    A copy: it is kept, and what an encoder gives may be the beginning of a far larger buffer.
    """
    return bytes(memoryview(json)) if len(json) <= _LONGEST else b""


class Dictionaries:
    """The dictionaries of the series that instances come for; from any thread."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], bytes] = {}
        self._size = 0

    def get(self, study_instance_uid: str, series_instance_uid: str) -> bytes:
        """The one of a series, or b"" where none is known."""
        return self._known.get((study_instance_uid, series_instance_uid), b"")

    def put(self, study_instance_uid: str, series_instance_uid: str, dictionary: bytes) -> None:
        """Remember one. It is checked again when a row is written, so it may be out of date."""
        self._size += len(dictionary) + _EACH
        if self._size > ROOM:
            self._known.clear()
            self._size = len(dictionary) + _EACH
        self._known[study_instance_uid, series_instance_uid] = dictionary
