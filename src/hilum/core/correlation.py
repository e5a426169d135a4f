"""Which request is this done for? Its name in all logs, here and at systems that are asked for it.

Set at a door, or by the broker for what runs in the background; a task that is begun within a
request belongs to it.
"""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from random import getrandbits
from typing import Any, Final

_PARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE: Final = re.compile(r"[\x20-\x7e]{1,512}")
_INVALID: Final = frozenset(("0" * 32, "0" * 16))


@dataclass(slots=True, eq=False)
class Correlation:
    """One request, or association.

    Attributes:
        request_id: names it: X-Request-ID, or our own number of an association and its message.
        trace: of which it is a part (W3C Trace Context), 32 hexadecimal digits; "" for none.
        flags: of that trace, two digits.
        state: what other systems have written for themselves into that trace (`tracestate`).
        parent: the span that it is a part of, "" for none.
        spanned: something was done already under the name of `span`.
        told: what was done for it, to be told in its one line of the log; None: tell it yourself.
    """

    request_id: str = ""
    trace: str = ""
    flags: str = "00"
    state: str = ""
    parent: str = ""
    told: list[Mapping[str, Any]] | None = None
    spanned: bool = False
    _span: str = ""

    @property
    def span(self) -> str:
        """What it is called in that trace, 16 digits."""
        if not self._span:  # few are ever asked
            self._span = f"{getrandbits(64) | 1:016x}"
        return self._span

    def headers(self) -> dict[str, str]:
        """What a system is told that is asked for its sake."""
        said = {"X-Request-ID": self.request_id} if self.request_id else {}
        if self.trace:
            said["traceparent"] = f"00-{self.trace}-{self.span}-{self.flags}"
        if self.trace and self.state:
            said["tracestate"] = self.state
        return said


_NONE: Final = Correlation()
_NOW: ContextVar[Correlation] = ContextVar("correlation", default=_NONE)


def now() -> Correlation:
    """What is being done."""
    return _NOW.get()


class within(AbstractContextManager[None]):  # noqa: N801 - it is used as a function
    """What is done in the block, and in tasks begun there, is done for that."""

    __slots__ = ("_before", "_correlation")

    def __init__(self, correlation: Correlation) -> None:
        self._correlation = correlation

    def __enter__(self) -> None:
        self._before = _NOW.set(self._correlation)

    def __exit__(self, *_: object) -> None:
        _NOW.reset(self._before)


def traced(correlation: Correlation, parent: str, state: str = "") -> None:
    """Continue the trace of a `traceparent`; one that cannot be read counts for nothing."""
    found = _PARENT.fullmatch(parent)
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
        return
    if _INVALID & {found[2], found[3]}:
        return
    correlation.trace, correlation.parent, correlation.flags = found[2], found[3], found[4]
    correlation.state = state if _STATE.fullmatch(state) else ""
