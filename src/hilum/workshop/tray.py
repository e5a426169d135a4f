"""Where does a process lay what is too large for a pipe? In memory that its parent sees too.

A quarter of a megabyte through a socket costs a millisecond of both, and through this a tenth.
Linux has it; elsewhere there is no tray, and everything goes through the pipe.
"""

import mmap
import os
import sys
from typing import Final

SIZE: Final = 4 * 1024 * 1024  # bytes; what is larger goes through the pipe
_NAME: Final = "hilum-workshop"


class Tray:
    """The parent's end: it reads, and nothing that the process does to it takes it away.

    Attributes:
        fd: to be handed to the process; closed by `handed`.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._mapped = mmap.mmap(fd, SIZE, access=mmap.ACCESS_READ)

    @classmethod
    def made(cls) -> "Tray | None":
        """A new one; None where the system has none, or no room for it."""
        if sys.platform != "linux":
            return None
        import fcntl  # noqa: PLC0415 - not on Windows

        try:
            fd = os.memfd_create(_NAME, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError:
            return None
        try:
            os.ftruncate(fd, SIZE)
            # Whoever shortened it would end whoever reads it.
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
            return cls(fd)
        except OSError:
            os.close(fd)
            return None

    def handed(self) -> None:
        """The process has it."""
        os.close(self.fd)

    def taken(self, length: int) -> bytes:
        """A copy of what lies there."""
        return self._mapped[:length]

    def close(self) -> None:
        """Let go of it."""
        self._mapped.close()


def reached(fd: int) -> memoryview:
    """The process's end, of a file descriptor that came from its parent; empty where it is -1."""
    if fd < 0:
        return memoryview(b"")
    try:
        return memoryview(mmap.mmap(fd, SIZE))
    finally:
        os.close(fd)
