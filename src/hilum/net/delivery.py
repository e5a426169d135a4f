"""How does the audit get to a syslog server, at least once? What broke off is sent again."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Generic, Protocol, TypeVar

import anyio.to_thread

from hilum.codec import audit_line, audit_message, syslog
from hilum.config.audit import AuditSettings
from hilum.model.errors import BackendError
from hilum.net.syslog import Line, connected

log = logging.getLogger(__name__)
P = TypeVar("P")

SETTLED: Final = 5.0
"""Seconds that a connection must live on until what was sent by it counts as delivered: a server
that is killed takes with it what it has not read yet."""
LOOK: Final = 0.25  # seconds between two looks for new lines
FIRST_PAUSE: Final = 0.5  # seconds before a server that is lost is called again
LONGEST_PAUSE: Final = 60.0  # seconds; each time twice as long


class Unsent(Protocol[P]):
    """Lines that wait, in their order. All of it blocks."""

    def read(self) -> tuple[Sequence[bytes], P]:
        """The next lines, and the place behind them; none where all are read."""

    def rewind(self) -> None:
        """Read again what is not settled."""

    def settle(self, place: P, /) -> None:
        """What comes before that place never needs to be sent again.

        Raises:
            OSError: that cannot be kept; then it will be.
        """


async def deliver(unsent: Unsent[P], settings: AuditSettings, stop: asyncio.Event) -> None:
    """Send what there is and what comes, until `stop` is set and all is sent, or cannot be.

    Args:
        unsent: what waits.
        settings: where it goes.
        stop: nothing more comes.
    """
    pause, is_lost = FIRST_PAUSE, False
    while await _is_there(unsent, stop):
        delivery = _Delivery(unsent)
        try:
            async with connected(settings) as line:
                if is_lost:
                    log.info("the audit is sent to %s again", settings.syslog)
                is_lost = False
                await delivery.run(line, stop)
            await delivery.settle(0.0)
        except BackendError as error:
            if delivery.is_empty and delivery.has_sent:  # nobody needed it for some time
                pause = FIRST_PAUSE
                continue
            if not is_lost:
                is_lost = True
                log.warning("the audit cannot be sent to %s: %s", settings.syslog, error)
            if stop.is_set():
                return
            pause = FIRST_PAUSE if delivery.has_sent else min(2 * pause, LONGEST_PAUSE)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)


async def _is_there(unsent: Unsent[P], stop: asyncio.Event) -> bool:
    """Wait until there is something to send; whether it came."""
    while True:
        unsent.rewind()
        lines, _ = await anyio.to_thread.run_sync(unsent.read)
        if lines or stop.is_set():
            unsent.rewind()
            return bool(lines)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), LOOK)


class _Delivery(Generic[P]):
    """What is sent by one connection.

    Attributes:
        has_sent: something was.
    """

    def __init__(self, unsent: Unsent[P]) -> None:
        self._unsent = unsent
        self._sent: deque[tuple[float, P]] = deque()
        self.has_sent = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing that was sent would have to be sent again."""
        return not self._sent

    async def run(self, line: Line, stop: asyncio.Event) -> None:
        """Send until nothing more comes.

        Raises:
            BackendError: the connection broke.
        """
        while True:
            stops = stop.is_set()
            lines, place = await anyio.to_thread.run_sync(self._unsent.read)
            await self.settle(SETTLED)
            if lines:
                await line.send([*filter(None, map(message, lines))])
                self._sent.append((time.monotonic(), place))
                self.has_sent = True
            elif stops:
                return
            else:
                await line.lost(LOOK)

    async def settle(self, after: float) -> None:
        """What was sent so long ago, by a connection that lives, has come there."""
        until = time.monotonic() - after
        place = None
        while self._sent and self._sent[0][0] <= until:
            place = self._sent.popleft()[1]
        if place is not None:
            try:
                await anyio.to_thread.run_sync(self._unsent.settle, place)
            except OSError as error:
                log.warning("how far the audit was sent cannot be kept: %s", error.strerror)


def message(line: bytes) -> bytes:
    """What is sent of a line; nothing of one that a full disk has cut off."""
    try:
        recorded = audit_line.parse(line)
    except ValueError:
        log.warning("a line of the audit cannot be read, and is not sent")
        return b""
    return syslog.message(
        audit_message.encode(recorded),
        time=recorded.time,
        host=recorded.host,
        application="hilum",
        process=recorded.process,
    )
