"""The least that keeps an instance: its file, synced, and the folder that has its name, synced."""

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

_SYNC = getattr(os, "fdatasync", os.fsync)
_THREADS = 4


class Kept:
    """A folder of one's own for what comes; full durability, as Hilum has it.

    Args:
        work: where it is made.
    """

    def __init__(self, work: Path) -> None:
        self._path = Path(tempfile.mkdtemp(dir=work))
        self._folder = os.open(self._path, os.O_RDONLY)
        self._pool = ThreadPoolExecutor(_THREADS)  # starts none before `begin`
        self._begun: list[Future[None]] = []

    def keep(self, name: str, pieces: Sequence[bytes | memoryview]) -> None:
        """One file; it is safe now."""
        _synced(self._written(name, pieces))
        os.fsync(self._folder)

    def begin(self, name: str, pieces: Sequence[bytes | memoryview]) -> None:
        """One of several files; it is safe once `end` is done."""
        self._begun.append(self._pool.submit(_synced, self._written(name, pieces)))

    def end(self) -> None:
        """See to it that all that was begun is safe."""
        for each in self._begun:
            each.result()
        self._begun.clear()
        os.fsync(self._folder)

    def _written(self, name: str, pieces: Sequence[bytes | memoryview]) -> int:
        file = os.open(self._path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.writev(file, pieces)
        return file


def _synced(file: int) -> None:
    _SYNC(file)
    os.close(file)
