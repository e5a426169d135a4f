"""Whether this process is the only one that uses an archive's folder."""

from pathlib import Path

from hilum.state import lock


class Lock(lock.Lock):
    """See `state.lock`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "the archive's folder")
