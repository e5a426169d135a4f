"""How is a body read that comes in chunks, however small they are? Many of them at once."""

import re
from typing import Final

import h11
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer

_CRUMB: Final = 1024  # bytes; of chunks up to this many are read together
_TOGETHER: Final = 64 * 1024  # bytes as they come, the most that is read at once
_SIZE: Final = re.compile(rb"([0-9a-fA-F]{1,3})\r\n")  # without extensions, as nearly all are


class Chunks(ChunkedReader):
    """As h11's, which has a dozen calls for each chunk, if it be of one byte.

    What looks unusual in any way is left to that.
    """

    def __call__(self, buf: ReceiveBuffer) -> h11.Data | h11.EndOfMessage | None:
        """The next event of the body; None: more must come before there is one."""
        is_between = not (self._bytes_in_chunk or self._bytes_to_discard or self._reading_trailer)
        if is_between:
            data, passed = _crumbs(buf)
            if data:
                buf.maybe_extract_at_most(passed)
                return h11.Data(data=data)
        return super().__call__(buf)


def _crumbs(buf: ReceiveBuffer) -> tuple[bytes, int]:
    """What whole small chunks hold that have come, together, and how long they are."""
    come = bytes(memoryview(buf._data)[:_TOGETHER])  # noqa: SLF001 - h11 copies all of it
    found: list[bytes] = []
    passed = 0
    while (match := _SIZE.match(come, passed)) is not None:
        size, begin = int(match[1], 16), match.end()
        end = begin + size
        if not 0 < size <= _CRUMB or come[end : end + 2] != b"\r\n":
            break
        found.append(come[begin:end])
        passed = end + 2
    return b"".join(found), passed
