"""How is a changed configuration applied while we serve? All of it that can be, or nothing.

What needs a restart stays as it is, and is told. A configuration that cannot be used changes
nothing: the one before goes on. See architecture/decisions/0021-reload.md.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from hilum.config.changes import applied, differences, stamps_of_certificates
from hilum.config.load import ConfigError
from hilum.config.schema import Settings
from hilum.core.audit import Audits, unheard
from hilum.model.audit import Event, Kind
from hilum.model.audit import Outcome as AuditOutcome
from hilum.model.principal import NOBODY, Principal
from hilum.service import logging as lines
from hilum.service import systemd

_log = logging.getLogger(__name__)
LOOK: Final = 5.0  # seconds between two looks at the files of certificates
LONGEST: Final = 2000  # characters of what the audit is told of a reload
FAULT: Final = "an unexpected fault; the log has more of it"


class CannotChange(Exception):
    """A configuration that cannot be applied.

    Attributes:
        problems: one line for each thing wrong, beginning with its setting.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Change(Protocol):
    """What another configuration needs, ready. Either `commit` or `drop` ends it."""

    async def commit(self) -> None:
        """Apply it."""

    async def drop(self) -> None:
        """Leave everything as it is."""


Prepares = Callable[[Settings], Awaitable[Change]]
"""Makes a change ready, or raises CannotChange."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a reload.

    Attributes:
        applied: settings that are in force now, as they are written in the file.
        restart: those that stay as they were until a restart.
        problems: why nothing was applied; one line each.
    """

    applied: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether the file could be used."""
        return not self.problems

    def described(self) -> dict[str, Any]:
        """For programs."""
        return {
            "ok": self.is_good,
            "applied": list(self.applied),
            "restart": list(self.restart),
            "problems": list(self.problems),
        }

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Outcome":
        """What `described` gave."""
        return cls(tuple(said["applied"]), tuple(said["restart"]), tuple(said["problems"]))

    def event(self, who: Principal) -> Event:
        """For the audit: what changed by its name, never a value of it."""
        why = f"reload: {'; '.join(self.lines())}"
        return Event(
            kind=Kind.CONFIGURED,
            who=who,
            outcome=AuditOutcome.SUCCESS if self.is_good else AuditOutcome.MINOR,
            why=why if len(why) <= LONGEST else f"{why[:LONGEST]}…",
        )

    def lines(self) -> list[str]:
        """For people."""
        if self.problems:
            return [*self.problems, "nothing was changed: the former configuration goes on"]
        said = [f"applied: {', '.join(self.applied) or 'nothing has changed'}"]
        if self.restart:
            said.append(f"needs a restart: {', '.join(self.restart)}")
        return said


class Reloading:
    """Applies the configuration again, as often as it is told to; one time after the other.

    Args:
        settings: what is served.
        load: reads them again; blocks. Raises ConfigError.
        audits: is told what became of each reload; blocks.

    Attributes:
        settings: what is in force.
    """

    def __init__(
        self, settings: Settings, load: Callable[[], Settings], audits: Audits = unheard
    ) -> None:
        self.settings = settings
        self._load = load
        self._audits = audits
        self._prepares: asyncio.Future[Prepares] = asyncio.get_running_loop().create_future()
        self._lock = asyncio.Lock()

    def serves(self, prepares: Prepares) -> None:
        """From now on there is something to change; who asked before has waited for that."""
        if not self._prepares.done():
            self._prepares.set_result(prepares)

    async def reload(self, who: Principal = NOBODY) -> Outcome:
        """Read the configuration and apply what has changed. Never raises for a bad one.

        Args:
            who: wants it; stands in the audit.
        """
        async with self._lock:
            prepares = await asyncio.shield(self._prepares)
            systemd.reloading()
            try:
                outcome = await self._reloaded(prepares)
            except Exception:  # noqa: BLE001 - logged; the service goes on
                _log.exception("the configuration cannot be applied")
                outcome = Outcome(problems=(FAULT,))
            finally:
                systemd.notify("READY=1")
            for each in outcome.lines():
                _log.log(logging.INFO if outcome.is_good else logging.ERROR, "reload: %s", each)
            systemd.notify(f"STATUS=reload: {'; '.join(outcome.lines())}")
            await asyncio.to_thread(self._audits, outcome.event(who))
            return outcome

    async def watch(self) -> None:
        """Look from time to time whether files with certificates have changed. Never ends.

        What is called by TLS is called with the new ones from then on; the settings stay.
        """
        seen = await asyncio.to_thread(stamps_of_certificates, self.settings)
        while True:
            await asyncio.sleep(LOOK)
            found = await asyncio.to_thread(stamps_of_certificates, self.settings)
            if found != seen:
                seen = found
                await self._renew()

    async def _renew(self) -> None:
        async with self._lock:
            prepares = await asyncio.shield(self._prepares)
            try:
                change = await prepares(self.settings)
                await change.commit()
            except CannotChange as error:
                for each in error.problems:
                    _log.error("%s; the former certificates stay in use", each)
            except Exception:  # noqa: BLE001 - logged; the service goes on
                _log.exception("changed certificates cannot be used")
            else:
                _log.info("changed certificates are used for all that is called from now on")

    async def _reloaded(self, prepares: Prepares) -> Outcome:
        try:
            wanted = await asyncio.to_thread(self._load)
        except ConfigError as error:
            return Outcome(problems=tuple(error.problems))
        settings = applied(self.settings, wanted)
        found = differences(self.settings, wanted)
        restart = tuple(str(each) for each in found if each.restart)
        # What is told of changes began at start; a new archive keeps them until then.
        new = (name for name in settings.published if name not in self.settings.mounts)
        restart += tuple(f"mounts.{name}.publish" for name in new)
        problems = tuple(self.impossible(self.settings, settings))
        if problems:
            after = f"needs a restart, as these stay as they were: {', '.join(restart)}"
            return Outcome(problems=(*problems, *((after,) if restart else ())))
        try:
            change = await prepares(settings)
        except CannotChange as error:
            return Outcome(problems=error.problems)
        await change.commit()
        self.settings = settings
        lines.setup(settings.logging)
        return Outcome(tuple(str(each) for each in found if not each.restart), restart)

    @staticmethod
    def impossible(old: Settings, new: Settings) -> Iterator[str]:
        """What is wrong with a configuration, of which what needs a restart is as it was."""
        yield from new.clashes()
        if new.has_state and not old.has_state:
            name = "auth.enabled" if new.auth.enabled else "publish"
            yield f"{name}: needs a restart where there is no HTTP door"
