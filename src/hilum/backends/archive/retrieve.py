"""How instances come out of their files: ahead of the reader, never on the event loop."""

import asyncio
import logging
import os
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from hilum.backends.archive.files import HEAD, Files
from hilum.backends.archive.locate import Located, locate
from hilum.backends.archive.readers import Readers
from hilum.core.budget import LEAST, Outgoing
from hilum.model.errors import BackendFault, NotFound
from hilum.model.identity import Ref
from hilum.model.instance import CHUNK, Instance, Part
from hilum.workshop import reading

log = logging.getLogger(__name__)

_AHEAD: Final = 2 * CHUNK  # bytes of small instances that are read at once
_READ: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Opened:
    """A file being read by threads; may be closed while one of them reads.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, files: Files, number: int) -> None:
        self._lock = threading.Lock()
        self._fd = os.open(files.path(number), _READ)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the data set.

        Raises:
            OSError: they cannot be read; also when the file is shorter, or closed.
        """
        with self._lock:
            data = _pread(self._fd, length, HEAD + offset) if self._fd >= 0 else b""
        if len(data) != length:
            raise OSError("the file is shorter than it was")
        return data

    def at_hand(self, offset: int, length: int) -> bytes | None:
        """As `read`, where the system has them in memory, and no thread reads; else None."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            return reading.at_hand(self._fd, HEAD + offset, length) if self._fd >= 0 else None
        finally:
            self._lock.release()

    def fileno(self) -> int:
        """Its descriptor; for who has it to himself."""
        return self._fd

    def close(self) -> None:
        """Close it, once nobody reads."""
        with self._lock:
            if self._fd >= 0:
                fd, self._fd = self._fd, -1
                os.close(fd)


def _pread(fd: int, length: int, offset: int) -> bytes:
    """As much of `length` bytes as there is."""
    if not hasattr(os, "pread"):  # Windows; the caller has the file to itself
        os.lseek(fd, offset, os.SEEK_SET)
    pieces = []
    while length:
        data = os.pread(fd, length, offset) if hasattr(os, "pread") else os.read(fd, length)
        if not data:
            break
        pieces.append(data)
        length -= len(data)
        offset += len(data)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class _Group:
    """Neighbouring small instances that are read together.

    Attributes:
        start, end: which, of all.
        data: of each, or why there is none; b"" once it was given.
        size: bytes of those that were not given yet.
    """

    __slots__ = ("data", "end", "size", "start")

    def __init__(
        self, start: int, end: int, size: int, data: "asyncio.Future[list[bytes | OSError]]"
    ) -> None:
        self.start, self.end, self.size, self.data = start, end, size, data


class _Small(AsyncIterator[bytes]):
    """The chunk of a small instance."""

    __slots__ = ("_chunks", "_number", "_reading")

    def __init__(self, reading: "Reading", number: int) -> None:
        self._reading = reading
        self._number = number
        self._chunks = reading.small(number)

    async def __anext__(self) -> bytes:
        return await anext(self._chunks)

    def ready(self) -> Part | None:
        """See `model.instance.ready`."""
        return self._reading.ready(self._number)


class Reading:
    """The files of one retrieval. `close` leaves nothing open, and nothing in hand."""

    def __init__(
        self, files: Files, readers: Readers, threads: ThreadPoolExecutor, found: Sequence[Located]
    ) -> None:
        self._files = files
        self._readers = readers
        self._threads = threads
        self._found = found
        self._groups: deque[_Group] = deque()  # at hand, and the one behind it
        self._share = Outgoing()
        self._opened: Opened | None = None

    def close(self) -> None:
        """Forget what was read ahead, and close the file that is open."""
        self._groups.clear()
        self._share.close()
        self._shut()

    def _shut(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            self._threads.submit(opened.close)

    async def instances(self) -> AsyncGenerator[Instance]:
        """One after another."""
        for number, each in enumerate(self._found):
            yield Instance(
                sop_instance_uid=each.sop_instance_uid,
                sop_class_uid=each.sop_class_uid,
                transfer_syntax_uid=each.transfer_syntax_uid,
                chunks=self._chunks(number, each),
                size=each.size,
            )

    def _chunks(self, number: int, each: Located) -> AsyncIterator[bytes]:
        if each.size > CHUNK:
            return self._large(each)
        return _Small(self, number)

    def ready(self, number: int) -> Part | None:
        """A small instance as a part of its file, where it need not be waited for.

        Once some had to be waited for, those behind them are read ahead, and come from there.
        """
        groups, each = self._groups, self._found[number]
        if groups and groups[-1].end > number:
            return None
        file = reading.ready(self._files.path(each.file), HEAD, each.size)
        return None if file is None else (file, HEAD, each.size)

    async def small(self, number: int) -> AsyncIterator[bytes]:
        """One chunk, read together with its neighbours, and the next ones read meanwhile.

        Where there is no room for it, it is given in pieces.
        """
        groups, each = self._groups, self._found[number]
        while groups and groups[0].end <= number:
            self._share.give(groups.popleft().size)
        if not groups or groups[0].start > number:
            if groups or not self._has_room_at(number):
                async for piece in self._large(each):
                    yield piece
                return
            if len(self._found) == 1:
                there = reading.at_once(self._files.path(each.file), HEAD, each.size)
                if there is not None:
                    yield there
                    return
            self._look_ahead(number)
        group = groups[0]
        if len(groups) == 1 and self._has_room_at(group.end):
            self._look_ahead(group.end)
        read = await group.data
        place = number - group.start
        data, read[place] = read[place], b""
        if isinstance(data, OSError):
            data = await self._again(each, data)
        group.size -= each.size
        self._share.gave(each.size)
        if data:
            yield data

    def _has_room_at(self, number: int) -> bool:
        """Whether a small instance is there that may be read ahead."""
        if number >= len(self._found):
            return False
        size = self._found[number].size
        return size <= CHUNK and size <= self._share.room

    def _look_ahead(self, start: int) -> None:
        """Begin to read some that stand together."""
        most = min(self._share.room, _AHEAD)
        end, size = start + 1, self._found[start].size
        while end < len(self._found):
            more = self._found[end].size
            if more > CHUNK or size + more > most:
                break
            end, size = end + 1, size + more
        self._share.take(size)
        data = asyncio.get_running_loop().run_in_executor(
            self._threads, self._read_all, self._found[start:end]
        )
        self._groups.append(_Group(start, end, size, data))

    def _read_all(self, found: Sequence[Located]) -> list[bytes | OSError]:
        """The data sets of small files, or why there is none; in a thread."""
        return [self._read_small(each.file, each.size) for each in found]

    def _read_small(self, number: int, size: int) -> bytes | OSError:
        try:
            opened = Opened(self._files, number)
            try:
                return opened.read(0, size)
            finally:
                opened.close()
        except OSError as error:
            return error

    async def _again(self, each: Located, error: OSError) -> bytes:
        """A file that was gone may have been replaced by one with the same length and syntax."""
        now = await self._now(each, error)
        loop = asyncio.get_running_loop()
        data = await loop.run_in_executor(self._threads, self._read_small, now.file, now.size)
        if isinstance(data, OSError):
            raise _unreadable(each, data) from data
        return data

    async def _now(self, each: Located, error: OSError) -> Located:
        found = await self._readers.run(
            lambda cursor: locate(cursor, Ref(instance=each.sop_instance_uid))
        )
        for now in found:
            same = (now.size, now.transfer_syntax_uid) == (each.size, each.transfer_syntax_uid)
            if same and now.file != each.file:
                return now
        if not found:
            raise NotFound("the instance was deleted meanwhile") from error
        raise _unreadable(each, error) from error

    async def _large(self, each: Located) -> AsyncIterator[bytes]:
        """One MiB after another, the next being read while the last is used."""
        try:
            opened = await self._open(each)
            async for data in pieces(self._threads, opened, 0, each.size, self._share):
                yield data
        except OSError as error:
            raise _unreadable(each, error) from error
        finally:
            self._shut()

    async def _open(self, each: Located) -> Opened:
        loop = asyncio.get_running_loop()
        try:
            opened = await loop.run_in_executor(self._threads, Opened, self._files, each.file)
        except OSError as error:
            now = await self._now(each, error)
            opened = await loop.run_in_executor(self._threads, Opened, self._files, now.file)
        self._shut()
        self._opened = opened
        return opened


async def pieces(
    threads: ThreadPoolExecutor, opened: Opened, start: int, length: int, share: Outgoing
) -> AsyncIterator[bytes]:
    """A part of a data set in pieces of one MiB, one read ahead; of less, where there is no room.

    Args:
        threads: to read in.
        opened: the file.
        start: of the part.
        length: of it.
        share: counts what is in hand; closed by who made it.

    Raises:
        OSError: it cannot be read.
    """
    loop = asyncio.get_running_loop()
    end = start + length
    coming: asyncio.Future[bytes] | None = None
    following = 0  # bytes of what is being read
    try:
        while start < end:
            data = None
            if coming is None:
                following = min(CHUNK, max(share.room, LEAST), end - start)
                share.take(following)
                if following < CHUNK:
                    data = opened.at_hand(start, following)
            if data is None:
                data = await (
                    coming or loop.run_in_executor(threads, opened.read, start, following)
                )
            held, coming = following, None
            start += held
            if start < end and share.room >= CHUNK:
                following = min(CHUNK, end - start)
                share.take(following)
                coming = loop.run_in_executor(threads, opened.read, start, following)
            share.gave(held)
            yield data
    finally:
        if coming is not None:
            coming.cancel()  # its thread ends by itself; nobody is told how


def _unreadable(each: Located, error: OSError) -> BackendFault:
    log.error("the file %016x cannot be read: %s", each.file, error.strerror or error)
    return BackendFault("the file of this instance cannot be read")
