"""Whether this process is the only one that uses a folder."""

import os
from pathlib import Path

from hilum.model.errors import BackendUnavailable

try:
    import fcntl
except ImportError:  # Windows: an open file that others may not open does the same
    fcntl = None  # type: ignore[assignment] # absent there


class Lock:
    """Holds a folder from `__init__` to `release`; the system lets go when the process ends.

    Args:
        folder: which must exist.
        what: the folder, for people: "the archive's folder".

    Raises:
        BackendUnavailable: another process has it.
        OSError: the file `lock` cannot be made.

    Attributes:
        fd: what holds it; a process that inherits it holds the folder too.
    """

    def __init__(self, folder: Path, what: str) -> None:
        self.fd = os.open(
            folder / "lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600
        )
        try:
            if fcntl is not None:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                import msvcrt  # noqa: PLC0415 - Windows only

                msvcrt.locking(self.fd, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            os.close(self.fd)
            raise BackendUnavailable(f"another process uses {what}") from error

    def release(self) -> None:
        """Let others in."""
        os.close(self.fd)
