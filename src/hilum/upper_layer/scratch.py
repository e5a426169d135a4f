"""Where does a link's transport put what comes? In memory that all links of an event loop share."""

import asyncio
from weakref import WeakKeyDictionary

READ = 256 * 1024
"""Bytes that are read at once; fewer where many others hold much."""
_made: WeakKeyDictionary[asyncio.AbstractEventLoop, memoryview] = WeakKeyDictionary()


def scratch_of(loop: asyncio.AbstractEventLoop) -> memoryview:
    """`READ` bytes; each link takes at once what was put there.

    Another event loop has its own: two that run in two threads read at the same time.
    """
    found = _made.get(loop)
    if found is None:
        found = _made[loop] = memoryview(bytearray(READ))
    return found
