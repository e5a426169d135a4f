"""How is the audit kept? As lines at the end of numbered files, by several processes at once.

Each line is one write to a file opened with O_APPEND, so that lines never mix, and what was written
outlives a kill of the process. `sync` puts it on the disk, against a power cut. The file with the
highest number is written to; when it is full the next one is begun, and the oldest removed.
"""

import logging
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from hilum.model.errors import BackendFault

try:
    import fcntl
except ImportError:  # Windows, where one process serves
    fcntl = None  # type: ignore[assignment] # absent there

log = logging.getLogger(__name__)

_NAME: Final = re.compile(r"audit-([0-9]{6,})\.jsonl")
_APPEND: Final = (
    os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)
_AGAIN: Final = 60.0  # seconds between two lines in the log that it cannot be written
_TRIES: Final = 100  # files that others may begin while we look for the last


def path_of(folder: Path, number: int) -> Path:
    """The file of that number."""
    return folder / f"audit-{number:06}.jsonl"


def numbers(folder: Path) -> list[int]:
    """Of all files that are there, the oldest first."""
    found = (_NAME.fullmatch(name) for name in os.listdir(folder))  # noqa: PTH208 - names are enough
    return sorted(int(each[1]) for each in found if each is not None)


class Journal:
    """The end of the audit.

    Args:
        folder: where its files are; it is made.
        max_size: bytes after which a new one is begun.
        max_files: how many stay.

    Attributes:
        lost: lines that could not be written since the last that could.

    Raises:
        BackendFault: it cannot be opened.
    """

    def __init__(self, folder: Path, max_size: int, max_files: int) -> None:
        self._folder = folder
        self._max_size = max_size
        self._max_files = max_files
        self._fd = -1
        self._number = 0
        self._following = ""  # the path of the next one
        self._torn = self._dirty = False
        self._complained = -_AGAIN
        self.lost = 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._open(max(numbers(folder), default=1))
        except OSError as error:
            raise BackendFault(f"the audit cannot be written: {error.strerror}") from error

    def append(self, line: bytes) -> bool:
        """Write one line; whether that went well. What goes wrong is in the log."""
        try:
            self._lock_last()
            try:
                data = b"\n" + line if self._torn else line
                self._torn = True
                self._torn = os.write(self._fd, data) != len(data)
                self._dirty = True
                end = os.lseek(self._fd, 0, os.SEEK_CUR)  # with O_APPEND, of the file
            finally:
                _unlock(self._fd)
            if end >= self._max_size:
                self._next()
        except OSError as error:
            self._complain(error.strerror or "not known why")
            return False
        if self._torn:
            self._complain("there is no room")
        return not self._torn

    def _complain(self, why: str) -> None:
        self.lost += 1
        if time.monotonic() - self._complained > _AGAIN:
            self._complained = time.monotonic()
            log.error("the audit cannot be written: %s", why)

    def sync(self) -> None:
        """Put what was written on the disk. Blocks; from a thread, while others write."""
        if self._dirty:
            self._dirty = False
            try:
                fd = os.dup(self._fd)
            except OSError:
                return  # a new file was begun just now, and that one was put there
            try:
                os.fsync(fd)
            except OSError as error:
                log.error("the audit cannot be put on the disk: %s", error.strerror)  # noqa: TRY400 - one line
            finally:
                os.close(fd)

    def close(self) -> None:
        """Put the rest on the disk, and let go."""
        if self._fd >= 0:
            self.sync()
            os.close(self._fd)
            self._fd = -1

    def _open(self, number: int) -> None:
        fd = os.open(path_of(self._folder, number), _APPEND, 0o600)
        before, self._fd, self._number = self._fd, fd, number
        self._following = str(path_of(self._folder, number + 1))
        if before >= 0:
            os.close(before)
        size = os.fstat(fd).st_size
        self._torn = False
        if size:
            os.lseek(fd, size - 1, os.SEEK_SET)
            self._torn = os.read(fd, 1) != b"\n"

    def _lock_last(self) -> None:
        """Lock our file, so that nobody begins the next one, and see that it is the last."""
        for _ in range(_TRIES):
            _lock(self._fd, exclusive=False)
            if not os.access(self._following, os.F_OK):  # half of what looking at it costs
                return
            _unlock(self._fd)
            self._open(max(numbers(self._folder), default=self._number + 1))
        raise OSError(0, "its files are never at rest")

    def _next(self) -> None:
        """Begin the next file, unless somebody has."""
        self.sync()
        _lock(self._fd, exclusive=True)
        try:
            with suppress(FileExistsError):
                flags = _APPEND | os.O_EXCL
                os.close(os.open(path_of(self._folder, self._number + 1), flags, 0o600))
        finally:
            _unlock(self._fd)
        _sync_folder(self._folder)
        self._open(self._number + 1)
        for number in numbers(self._folder)[: -self._max_files]:
            with suppress(FileNotFoundError):
                path_of(self._folder, number).unlink()


def _lock(fd: int, *, exclusive: bool) -> None:
    if fcntl is not None:
        fcntl.flock(fd, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)


def _unlock(fd: int) -> None:
    if fcntl is not None:
        fcntl.flock(fd, fcntl.LOCK_UN)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
