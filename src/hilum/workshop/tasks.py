"""What a process of the workshop does with a whole instance: from one file to another."""

import errno
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Self

from hilum.model.errors import OutOfResources

SMALL: Final = 4 * 1024 * 1024  # bytes of a result that come back without a file
_BINARY = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def transcoded(
    source: bytes | str, source_ts: str, target_ts: str, target: str, most: int
) -> bytes | int:
    """A data set in another Transfer Syntax.

    Args:
        source: itself, or the path of the file that is it.
        source_ts: its Transfer Syntax.
        target_ts: the one that it gets.
        target: path of a file that is there, for a large result.
        most: bytes that the result may have.

    Returns:
        The result; its size where it is in the file.

    Raises:
        BadDataset, BadPixels: the source cannot be understood, its pixels cannot be decoded.
        NotAcceptable: not these pixels in that syntax.
        OutOfResources: there is no room for the result.
    """
    from hilum.imaging.transcode import transcode  # noqa: PLC0415 - not in the broker: it is large

    with _content(source) as data, _Result(target, most) as result:
        transcode(data, source_ts, target_ts, result.write)
        return result.content()


@contextmanager
def _content(source: bytes | str) -> Iterator[bytes | memoryview]:
    if isinstance(source, bytes):
        yield source
        return
    fd = os.open(source, os.O_RDONLY | _BINARY)
    try:
        mapped = mmap.mmap(fd, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(fd)
    try:
        yield memoryview(mapped)
    finally:
        with suppress(BufferError):  # an error's traceback still refers to it, and frees it later
            mapped.close()


class _Result:
    """What is written, in memory while it is small."""

    def __init__(self, path: str, most: int) -> None:
        self._path = path
        self._most = most
        self._pieces: list[bytes] = []
        self._waiting = 0  # bytes in them
        self._size = 0
        self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def write(self, data: bytes | memoryview) -> None:
        """The next bytes.

        Raises:
            OutOfResources: they are too many, or the disk is full.
        """
        self._size += len(data)
        if self._size > self._most:
            raise OutOfResources("there is no room for what the instance becomes")
        self._pieces.append(bytes(data))
        self._waiting += len(data)
        if self._waiting > SMALL:
            self._flush()

    def _flush(self) -> None:
        try:
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_WRONLY | _BINARY)
            for piece in self._pieces:
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, "an error")
            raise OutOfResources(f"what the instance becomes cannot be written: {name}") from error
        self._pieces.clear()
        self._waiting = 0

    def content(self) -> bytes | int:
        """All of it, or its size where it is in the file."""
        if self._fd < 0:
            return b"".join(self._pieces)
        self._flush()
        return self._size
