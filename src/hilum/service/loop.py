"""Which event loop do the commands run on? uvloop where there is one: fewer copies, fewer calls."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


def factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the loop; None: asyncio's own, as on Windows."""
    if sys.platform == "win32":
        return None
    try:
        import uvloop  # noqa: PLC0415 - not everywhere
    except ImportError:
        return None
    return uvloop.new_event_loop


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """As `asyncio.run`, on that loop."""
    with asyncio.Runner(loop_factory=factory()) as runner:
        return runner.run(work)
