"""The floor of a store: the same files, read, written under new names and synced, no more.

What nobody who keeps an instance durably can leave out, without network and without index.
"""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.folders import passing

_SYNC = getattr(os, "fdatasync", os.fsync)


def written(paths: Sequence[Path], threads: int, work: Path) -> float:
    """Seconds to copy all, each with fdatasync and fsync of the folder, in that many threads."""
    with passing(work) as target, ThreadPoolExecutor(threads) as pool:
        shares = [(paths[at::threads], target) for at in range(threads)]
        began = time.perf_counter()
        list(pool.map(_copy, *zip(*shares, strict=True)))
        return time.perf_counter() - began


def _copy(paths: Sequence[Path], folder: Path) -> None:
    for path in paths:
        content = path.read_bytes()
        out = os.open(folder / path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(out, content)
            _SYNC(out)
        finally:
            os.close(out)
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
