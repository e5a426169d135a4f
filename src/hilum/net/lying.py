"""How do bytes leave that lie in a file? From there, where the connection takes them at once."""

import errno
import os
import socket
from asyncio import WriteTransport
from collections.abc import Sequence
from typing import Final

WORTH: Final = 128 * 1024  # bytes; what is smaller is better read, and leaves with its head

_CANNOT: Final = frozenset((errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP))
"""What a file system says that has no sendfile."""
_CAN: Final = hasattr(os, "sendfile") and hasattr(socket, "MSG_MORE")


class Lying:
    """A part of a file, which the system has in memory; it stays open as long as this lives.

    Args:
        file: a descriptor, which is closed in the end.
        offset: of the part.
        length: bytes, which are there.
    """

    __slots__ = ("_file", "_length", "_offset")

    def __init__(self, file: int, offset: int, length: int) -> None:
        self._file = file
        self._offset = offset
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __del__(self) -> None:
        os.close(self._file)

    def __bytes__(self) -> bytes:
        return self.read()

    def read(self, past: int = 0) -> bytes:
        """All of it, but for the first `past` bytes.

        Raises:
            OSError: it cannot be read, or is shorter by now.
        """
        data = os.pread(self._file, self._length - past, self._offset + past)
        if len(data) != self._length - past:
            raise OSError("a file is shorter than it was")
        return data

    def sent(self, link: socket.socket) -> int:
        """How many bytes of it the socket takes at once, the first of them.

        Raises:
            OSError: the client is gone, or the file is shorter by now.
        """
        done = 0
        while done < self._length:
            try:
                count = os.sendfile(
                    link.fileno(), self._file, self._offset + done, self._length - done
                )
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in _CANNOT and not done:
                    break
                raise
            if not count:
                raise OSError("a file is shorter than it was")
            done += count
        return done


def link_of(transport: WriteTransport) -> socket.socket | None:
    """The socket behind a transport that encrypts nothing, once more; None: it cannot be had."""
    ours = transport.get_extra_info("socket")
    if not _CAN or ours is None or transport.get_extra_info("sslcontext") is not None:
        return None
    link = socket.socket(fileno=os.dup(ours.fileno()))
    link.setblocking(False)  # noqa: FBT003 - as it is already
    return link


def write(
    pieces: "Sequence[bytes | memoryview | Lying]",
    transport: WriteTransport,
    link: socket.socket | None,
) -> None:
    """Write pieces in their order.

    Args:
        pieces: at least one.
        transport: takes what the socket does not take at once.
        link: its socket; None: it takes everything.

    Raises:
        OSError: the client is gone, or a file cannot be read.
    """
    waiting: list[bytes | memoryview] = []
    for piece in pieces:
        if not isinstance(piece, Lying):
            waiting.append(piece)
            continue
        done = 0
        if link is not None and not transport.get_write_buffer_size():
            head, waiting = b"".join(waiting), []
            taken = _sent(link, head)
            if taken < len(head):
                waiting = [head[taken:]]
            else:
                done = piece.sent(link)
        if done < len(piece):
            link = None  # it is full
            waiting.append(piece.read(done))
    if waiting:
        transport.writelines(waiting)


def _sent(link: socket.socket, head: bytes) -> int:
    """How many bytes the socket takes at once; more comes behind them."""
    try:
        return link.send(head, socket.MSG_MORE) if head else 0
    except BlockingIOError:
        return 0
