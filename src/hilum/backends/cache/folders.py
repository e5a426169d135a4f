"""What lies in the folder of a mount's retrievals? Entries of the cache, and what is left over."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from hilum.backends.cache import entries
from hilum.backends.cache.files import ENTRY
from hilum.backends.cache.holding import Holding

log = logging.getLogger(__name__)


def found(folder: Path, max_age: float | None) -> dict[Path, Holding | None]:
    """The entries in a folder, and None for what is none; blocks.

    Raises:
        OSError: the folder cannot be read.
    """
    there: dict[Path, Holding | None] = {}
    for path in _folders(folder):
        try:
            there[path] = entries.read(path, max_age)
        except FileNotFoundError:
            there[path] = None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s is no entry of the cache and is removed: %s", path, error)
            there[path] = None
    return there


def spools(folder: Path) -> list[Path]:
    """The folders that are no entries; blocks.

    Raises:
        OSError: the folder cannot be read.
    """
    return [path for path in _folders(folder) if not (path / ENTRY).exists()]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def touch(uses: Iterable[tuple[Path, float]]) -> None:
    """Write down when entries were used last, so that it is known after a restart; blocks."""
    for folder, used in uses:
        path = folder / ENTRY
        try:
            if path.stat().st_mtime < used - 1:
                os.utime(path, (used, used))
        except OSError:  # it went meanwhile
            continue
