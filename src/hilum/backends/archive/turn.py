"""Whose turn is it to write the index? One process at a time, in the order of their asking.

SQLite would keep them apart as well, but who finds the database locked sleeps and tries again, up
to 100 ms each time, and may be overtaken for ever: of four writers under load the unluckiest
waited 430 ms for a commit of 0.3 ms. The system wakes who waits for a file's lock at once.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where there is one process
    fcntl = None  # type: ignore[assignment] # absent there

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)


class Turn:
    """The turns of one process; the system ends that of one that dies.

    Two files: who wants a turn waits for `next`, and holds it until the turn is its own. So who
    had the turn last cannot overtake who waits.

    Args:
        folder: the archive's.

    Raises:
        OSError: the files cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._next, self._now = (
            os.open(folder / name, _FLAGS, 0o600) for name in ("turn-next", "turn-now")
        )

    @contextmanager
    def taken(self) -> Iterator[None]:
        """The turn of the one thread that writes; blocks until it has come."""
        fcntl.flock(self._next, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._now, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._next, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._now, fcntl.LOCK_UN)

    def close(self) -> None:
        """Take no more turns."""
        os.close(self._next)
        os.close(self._now)
