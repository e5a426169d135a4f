"""How is memory kept? For buffers that come and go with every instance, and for what stays."""

import ctypes
import gc
import sys

MMAP_THRESHOLD = 8 * 1024 * 1024  # bytes; below it, freed buffers are kept and used again
TRIM_THRESHOLD = 32 * 1024 * 1024  # bytes free at the top of the heap before they are given back
ARENAS = 2  # heaps for all threads: each keeps its freed buffers to itself
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc


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


def started() -> None:
    """The service has started: what is there stays, and need not be looked at for what could go.

    That would stop everything for a twentieth of a second each time.
    """
    gc.freeze()
    gc.enable()
