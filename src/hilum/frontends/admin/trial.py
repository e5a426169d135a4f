"""What is being tried out? One peer at a time, in the background, for a while at most."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from hilum.core.single import as_it_was
from hilum.model.errors import HilumError, InUse

LONGEST: Final = 600.0  # seconds; each experiment has its own, shorter time

log = logging.getLogger(__name__)

Heard = Callable[[str, str], None]
"""Is told what was found: about what, and what."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """What follows for the configuration.

    Attributes:
        mount: its name.
        settings: of that mount, beside those that say where it is.
        toml: the whole table.
    """

    mount: str
    settings: Mapping[str, str | bool | int | list[str]]
    toml: str


Probes = Callable[[str, bool, Heard], Awaitable[Proposed]]
"""Probes a peer or mount of that name, with one retrieval or without. Raises HilumError."""


@dataclass(slots=True)
class Trial:
    """What was tried of one.

    Attributes:
        name: who, such as `mount:PACS`.
        began, ended: in seconds since the epoch; `ended` is None as long as it runs.
        findings: title and text of each, as they came.
        why: it ended before all was tried; "": it did not.
        proposed: what follows, once all was tried.
    """

    name: str
    began: float = field(default_factory=time.time)
    ended: float | None = None
    findings: list[tuple[str, str]] = field(default_factory=list)
    why: str = ""
    proposed: Proposed | None = None


class Trials:
    """The one that runs, or ran last. They can be begun within `open`.

    Attributes:
        last: that one; None: there was none yet.
    """

    def __init__(self) -> None:
        self.last: Trial | None = None
        self._group: asyncio.TaskGroup | None = None
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Try in the background, until the block is left."""
        with as_it_was():
            async with asyncio.TaskGroup() as self._group:
                try:
                    yield
                finally:
                    self.stop()

    def begin(self, name: str, probes: Callable[[Heard], Awaitable[Proposed]]) -> Trial:
        """Try one.

        Raises:
            InUse: another one is being tried.
        """
        if self._task is not None:
            raise InUse("one is being probed already: wait for its end, or stop it")
        assert self._group is not None  # noqa: S101 - see `open`
        trial = self.last = Trial(name)
        self._task = self._group.create_task(self._tried(trial, probes))
        self._task.add_done_callback(lambda _: self._over(trial))
        return trial

    def stop(self) -> bool:
        """End what runs; whether anything did."""
        if self._task is None:
            return False
        self._task.cancel()
        return True

    async def _tried(self, trial: Trial, probes: Callable[[Heard], Awaitable[Proposed]]) -> None:
        try:
            async with asyncio.timeout(LONGEST):
                trial.proposed = await probes(
                    lambda title, text: trial.findings.append((title, text))
                )
        except TimeoutError:
            trial.why = f"it took longer than {LONGEST:g} s"
        except HilumError as error:
            trial.why = str(error)
        except Exception:  # nobody who looks may end the service
            log.exception("%s cannot be probed", trial.name)
            trial.why = "an unexpected fault; the log has more of it"

    def _over(self, trial: Trial) -> None:
        """Also of one that was stopped before it had begun."""
        if trial.proposed is None and not trial.why:
            trial.why = "it was stopped"
        trial.ended = time.time()
        self._task = None
