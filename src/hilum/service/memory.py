"""How is memory kept? For buffers that come and go with every instance, and for what stays."""

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable
from typing import Final

from hilum.core.budget import IN_HAND

MMAP_THRESHOLD = 8 * 1024 * 1024  # bytes; below it, freed buffers are kept and used again
TRIM_THRESHOLD = 32 * 1024 * 1024  # bytes free at the top of the heap before they are given back
ARENAS = 2  # heaps for all threads: each keeps its freed buffers to itself
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc

LULL: Final = 5.0  # seconds between two looks whether something can be given back
WORTH: Final = 4 * 1024 * 1024
"""Bytes that were in hand, and are no more, for which it is worth while."""
_LEFT: Final = 1024 * 1024  # bytes at the top of the heap that are kept


def tune() -> bool:
    """Stop glibc from mapping and unmapping each half-megabyte buffer; whether that was possible.

    Each fresh mapping costs a page fault per 4 KiB, several times the price of the copy into it.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library, such as musl
        return False
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    settings = (
        (_M_MMAP_THRESHOLD, MMAP_THRESHOLD),
        (_M_TRIM_THRESHOLD, TRIM_THRESHOLD),
        (_M_ARENA_MAX, ARENAS),
    )
    return all(mallopt(name, value) == 1 for name, value in settings)


def _trim() -> Callable[[int], object] | None:
    """What gives all pages back that nothing is in: malloc_trim(3) of glibc; or None."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        call = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return None
    call.argtypes = (ctypes.c_size_t,)
    return call


async def give_back(lull: float = LULL) -> None:
    """Give the system back what was needed while there was much to do, whenever that is over.

    While something is going on, nothing is given back: it is needed again at once.
    """
    trim = _trim()
    if trim is None:
        return
    loop = asyncio.get_running_loop()
    is_due = False
    while True:
        await asyncio.sleep(lull)
        most = IN_HAND.looked()
        if most >= WORTH:
            is_due = True
        if is_due and most < WORTH:
            is_due = False
            await loop.run_in_executor(None, trim, _LEFT)


def started() -> None:
    """The service has started: what is there stays, and need not be looked at for what could go.

    That would stop everything for a twentieth of a second each time.
    """
    gc.freeze()
    gc.enable()
