"""How instances lie on the disk, and when they are safe there.

`files/2026/11/21/18ea0b9c94cc0e8d.dcm`: each file has a number, the nanoseconds since 1970 when it
was made, which is never used twice and gives its name and folder. Nothing that a peer sent is part
of them. Each is a Part 10 file whose head is `HEAD` bytes long and carries a seal: the length and
the CRC-32 of the data set behind it. So a file that lost its row can be proven whole.

Names are made durable several at a time, before anything is written under them; an empty file is
one whose name was not needed.
"""

import logging
import os
import re
import threading
import time
from calendar import timegm
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from hilum.backends.archive.disk import start_writing
from hilum.backends.archive.part import Part
from hilum.codec.part10 import encode_meta
from hilum.model.instance import CHUNK

log = logging.getLogger(__name__)

ALONE: Final = Part()
HEAD: Final = 1024
"""Bytes before the data set, in every file."""

_DAY = re.compile(r"\d{4}/\d{2}/\d{2}")
_NAME = re.compile(r"[0-9a-f]{16}\.dcm")
_NANOSECONDS = 1_000_000_000  # in a second
_END = 1 << 63  # numbers are 64-bit integers to the index; in the year 2262
_DAY_LENGTH = 24 * 60 * 60 * _NANOSECONDS
_SEAL = re.compile(rb"hilum archive length=([0-9a-f]{16}) crc32=([0-9a-f]{8}) *")
_OPEN = (
    os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
_SYNC_DATA = getattr(os, "fdatasync", os.fsync)
_AHEAD = 16  # files whose names are made durable together
_DIRECTORIES_SYNC = os.name != "nt"  # there they cannot be opened, and NTFS journals them


@dataclass(frozen=True, slots=True)
class Seal:
    """What proves a file whole: bytes of its data set, and their CRC-32."""

    length: int
    crc: int


def head(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, seal: Seal) -> bytes:
    """The first `HEAD` bytes of a file. UIDs are at most 64 characters."""
    text = b"hilum archive length=%016x crc32=%08x" % (seal.length, seal.crc)
    room = _room(len(sop_class_uid), len(sop_instance_uid), len(transfer_syntax_uid))
    return encode_meta(
        sop_class_uid, sop_instance_uid, transfer_syntax_uid, private=text.ljust(room)
    )


@lru_cache(maxsize=1024)
def _room(*lengths: int) -> int:
    """How long the private information must be so that the head is `HEAD` bytes."""
    class_uid, instance_uid, syntax = ("1" * length for length in lengths)
    least = encode_meta(class_uid, instance_uid, syntax, private=b"--")
    return HEAD - len(least) + 2


def read_seal(private: bytes) -> Seal | None:
    """The seal in the private information of a file's head, if it is one of ours."""
    found = _SEAL.fullmatch(private)
    return None if found is None else Seal(int(found[1], 16), int(found[2], 16))


def sync_directory(path: Path | str) -> None:
    """Make the names in a directory durable."""
    if not _DIRECTORIES_SYNC:
        return
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Files:
    """The files of one archive. Its methods may be called from any thread.

    Args:
        folder: the archive's; `files` and `lost` are made in it.
        durable: whether files and names are synced to the disk when they are done.
        after: a number; all that come are higher, even when the clock goes back.
        part: which of several processes this is that make files here.
    """

    def __init__(self, folder: Path, *, durable: bool, after: int = 0, part: Part = ALONE) -> None:
        self.root = folder / "files"
        self.lost = folder / "lost"
        self._durable = durable
        self._part = part
        self._last = after
        self._day = ""
        self._lock = threading.Lock()
        self._open: dict[int, None] = {}
        self._making = threading.Lock()
        self._ready: deque[tuple[int, int]] = deque()  # number and descriptor
        self._next_time = 1  # so many are made
        self._held: dict[int, int] = {}
        self._doomed: set[int] = set()

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            OSError: they cannot be made.
        """
        for path in (self.root, self.lost):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_directory(self.root.parent)

    def go_on_after(self, number: int) -> None:
        """Give only numbers that are higher."""
        with self._lock:
            self._last = max(self._last, number)

    def path(self, number: int) -> str:
        """Where a file is."""
        return f"{self.root}/{day_of(number)}/{number:016x}.dcm"

    def create(self) -> tuple[int, int]:
        """A new, empty file, whose name is durable: its descriptor, and its number.

        It counts as unfinished until `settle` is called.

        Raises:
            OSError: no room, no permission.
        """
        while True:
            with self._lock:
                today = day_of(max(time.time_ns(), self._last))
                if self._ready and day_of(self._ready[0][0]) == today:
                    number, fd = self._ready.popleft()
                    self._open[number] = None
                    return fd, number
            with self._making:
                if not self._ready:
                    return self._make()
            self.spare()  # those are of yesterday

    def _make(self) -> tuple[int, int]:
        """Make a file, and more for those who come next where they come one after another."""
        count, self._next_time = self._next_time, min(2 * self._next_time, _AHEAD)
        made: list[tuple[int, int]] = []
        try:
            for _ in range(count if self._durable else 1):
                made.append(self._new(made))
            if self._durable:
                sync_directory(f"{self.root}/{day_of(made[0][0])}")  # text, as in `path`
        except BaseException:
            self._unmake(made)
            raise
        first, *others = made
        with self._lock:
            for number, _ in others:
                del self._open[number]
            self._ready += others
        return first[1], first[0]

    @property
    def ahead(self) -> bool:
        """Whether files are made ahead, so that empty ones are left by a process that is killed."""
        return self._durable

    def _new(self, before: Sequence[tuple[int, int]]) -> tuple[int, int]:
        """A new file, of the same day as those that were made just before it."""
        with self._lock:
            number = self._last = self._part.next(max(time.time_ns(), self._last + 1))
            if before and day_of(number) != day_of(before[0][0]):
                number = self._last = self._part.next(before[-1][0] + 1)
            day = day_of(number)
            if day != self._day:
                self._make_day(day)
            self._open[number] = None
        try:
            return number, os.open(self.path(number), _OPEN, 0o600)
        except BaseException:
            self.settle(number)
            raise

    def spare(self) -> None:
        """Take away the files that were made for nobody."""
        with self._making:
            with self._lock:
                unused = [*self._ready]
                self._ready.clear()
            self._next_time = 1
            self._unmake(unused)

    def _unmake(self, files: Iterable[tuple[int, int]]) -> None:
        for number, fd in files:
            os.close(fd)
            try:
                self.remove(number)
            except OSError:
                log.exception("an empty file could not be removed")

    def _make_day(self, day: str) -> None:
        """The folder of a day, whose own name is durable before anything is in it."""
        path = self.root / day
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._durable:
            for each in (path.parent, path.parent.parent, self.root):
                sync_directory(each)
        self._day = day

    def settle(self, number: int) -> None:
        """The file has a row that was committed, or is gone."""
        with self._lock:
            self._open.pop(number, None)

    def unsafe_since(self) -> str:
        """The oldest day with files that a power cut could take, or that have no row as yet.

        Where nothing is synced, the day before is such a day too: by then the system has written
        all of it. So it is where other processes have open files: by then they have rows.
        """
        with self._lock:
            oldest = min(self._open, default=max(time.time_ns(), self._last))
        sure = self._durable and self._part.is_all
        return day_of(oldest if sure else oldest - _DAY_LENGTH)

    def begin_sync(self, fd: int) -> None:
        """Have what was written be on its way to the disk while the caller does other things."""
        if self._durable:
            start_writing(fd)

    def finish(self, fd: int) -> None:
        """Make what was written durable, if this archive is; its name is so since `create`."""
        if self._durable:
            _SYNC_DATA(fd)

    def secure(self, fd: int, number: int) -> None:
        """Make a file and its name durable, whoever made it."""
        if self._durable:
            _SYNC_DATA(fd)
            sync_directory(f"{self.root}/{day_of(number)}")  # text, as in `path`

    def hold(self, number: int) -> None:
        """Somebody reads the file: it is not removed before `let_go` was called as often."""
        with self._lock:
            self._held[number] = self._held.get(number, 0) + 1

    def let_go(self, number: int) -> bool:
        """Whether it is now to be removed, as somebody else wished meanwhile."""
        with self._lock:
            left = self._held.pop(number) - 1
            if left:
                self._held[number] = left
            return not left and number in self._doomed

    def remove(self, number: int) -> bool:
        """Take a file away that no row names; False where somebody reads it, and then it goes."""
        with self._lock:
            if number in self._held:
                self._doomed.add(number)
                return False
            self._doomed.discard(number)
        with suppress(FileNotFoundError):
            os.unlink(self.path(number))  # noqa: PTH108 - the path is text, for speed
        self.settle(number)
        return True

    def clear(self, numbers: Iterable[int]) -> list[int]:
        """Take away files that no row names, and make that durable, if this archive is.

        Returns:
            Those that are gone; the others are still read.

        Raises:
            OSError: some cannot be removed; the others are gone.
        """
        failed: OSError | None = None
        days: set[str] = set()
        gone: list[int] = []
        for number in numbers:
            days.add(day_of(number))
            try:
                if self.remove(number):
                    gone.append(number)
            except OSError as error:
                failed = error
        for day in days if self._durable else ():
            with suppress(FileNotFoundError):
                sync_directory(self.root / day)
        if failed is not None:
            raise failed
        return gone

    def exists(self, number: int) -> bool:
        """Whether there is such a file."""
        return os.path.exists(self.path(number))  # noqa: PTH110 - as above

    def is_there(self, number: int, size: int) -> bool:
        """Whether the file is there and as long as it should be; `size` is of its data set."""
        try:
            return os.stat(self.path(number)).st_size == HEAD + size  # noqa: PTH116 - as above
        except OSError:
            return False

    def same(self, one: int, other: int) -> bool:
        """Whether two files have the same data set, byte for byte, but for a NUL at its end.

        Raises:
            OSError: one of them cannot be read.
        """
        with open(self.path(one), "rb", 0) as ours, open(self.path(other), "rb", 0) as theirs:  # noqa: PTH123 - as above
            ours.seek(HEAD)
            theirs.seek(HEAD)
            while (piece := ours.read(CHUNK)) == (other_piece := theirs.read(CHUNK)):
                if not piece:
                    return True
            shorter, longer = sorted((piece, other_piece), key=len)
            return shorter + b"\0" == longer and not ours.read(1) and not theirs.read(1)

    def days(self, since: str) -> Iterator[str]:
        """The days, from `since` on, that have a folder, in order."""
        for year in sorted(self.root.glob("[0-9]*")):
            for month in sorted(year.glob("[0-9]*")):
                for path in sorted(month.glob("[0-9]*")):
                    day = path.relative_to(self.root).as_posix()
                    if day >= since and _DAY.fullmatch(day) and path.is_dir():
                        yield day

    def of_day(self, day: str) -> tuple[dict[int, int], list[Path]]:
        """The files of a day, by number in order, with their lengths; and what else lies there."""
        sizes: dict[int, int] = {}
        strange: list[Path] = []
        with os.scandir(self.root / day) as entries:
            for entry in entries:
                number = int(entry.name[:16], 16) if _NAME.fullmatch(entry.name) else -1
                ours = 0 <= number < _END and day_of(number) == day
                if ours and entry.is_file(follow_symlinks=False):
                    sizes[number] = entry.stat(follow_symlinks=False).st_size
                elif not entry.is_dir(follow_symlinks=False):
                    strange.append(Path(entry.path))
        return dict(sorted(sizes.items())), strange

    def set_aside(self, path: Path) -> Path:
        """Move a file that cannot be kept to `lost`, and say where it is now."""
        target = self.lost / path.name
        if target.exists():
            target = target.with_name(f"{time.time_ns():016x}-{path.name}")
        path.replace(target)
        for folder in (self.lost, path.parent):
            sync_directory(folder)
        return target


@lru_cache(maxsize=8)
def _day(day: int) -> str:
    return time.strftime("%Y/%m/%d", time.gmtime(day * _DAY_LENGTH // _NANOSECONDS))


def day_of(number: int) -> str:
    """The day (2026/11/21, UTC) in whose folder a file is."""
    return _day(number // _DAY_LENGTH)


def numbers_of(day: str) -> tuple[int, int]:
    """The first number of a day, and the first one after it."""
    year, month, date = (int(part) for part in day.split("/"))
    low = timegm((year, month, date, 0, 0, 0)) * _NANOSECONDS
    return low, low + _DAY_LENGTH
