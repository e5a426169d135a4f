"""How is the audit kept and sent? What the broker and its doors tell becomes lines, and syslog."""

import asyncio
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import anyio.to_thread

from hilum.codec import audit_line
from hilum.config.audit import AuditSettings
from hilum.config.schema import Settings
from hilum.core.audit import Audits, unheard
from hilum.core.gathering import Gathering
from hilum.model.audit import Event, Kind, Outcome, Recorded
from hilum.model.errors import BackendFault
from hilum.net.delivery import deliver
from hilum.state.journal import Journal
from hilum.state.unsent import Unsent

_log = logging.getLogger(__name__)
TICK: Final = 0.25  # seconds between two looks at what was gathered
SYNC: Final = 4  # ticks after which what was written is on the disk
LAST: Final = 5.0  # seconds, as the service stops, for what was not sent yet

_GROUPS: Final[Mapping[Kind, str]] = {
    Kind.START: "application",
    Kind.STOP: "application",
    Kind.LOST: "application",
    Kind.LOGIN: "security",
    Kind.LOGOUT: "security",
    Kind.NODE: "security",
    Kind.RESTRICTED: "security",
    Kind.CHANGED: "security",
    Kind.CONFIGURED: "security",
    Kind.QUERY: "query",
    Kind.BEGUN: "transfer",
    Kind.TRANSFERRED: "transfer",
    Kind.ACCESSED: "access",
    Kind.DELETED: "delete",
}
_SHOWN: Final = frozenset(("0020000D", "0020000E", "00080018", "00080016", "00080060", "00080061"))
"""Keys whose values say nothing of a patient but which study it is: UIDs, modalities."""


class CannotAudit(Exception):
    """The audit cannot be kept; the text says where and why."""


class Audit:
    """Writes down what it is told, as far as the settings want it.

    Args:
        settings: what is written down.
        journal: where.
    """

    def __init__(self, settings: AuditSettings, journal: Journal) -> None:
        self._journal = journal
        self._patients = settings.patients
        self._groups = frozenset(settings.events)
        self._host, self._process = socket.gethostname(), os.getpid()

    def __call__(self, event: Event, /) -> None:
        if _GROUPS[event.kind] not in self._groups:
            return
        if self._write(event if self._patients else anonymous(event)) and self._journal.lost:
            why = f"{self._journal.lost} records could not be written"
            if self._write(Event(kind=Kind.LOST, outcome=Outcome.SERIOUS, why=why)):
                self._journal.lost = 0

    def _write(self, event: Event) -> bool:
        now = time.time_ns() // 10**6
        recorded = Recorded(event=event, time=now, host=self._host, process=self._process)
        return self._journal.append(audit_line.encode(recorded))


def anonymous(event: Event) -> Event:
    """The same, without what names a patient: of a query it stays which keys were matched on."""
    hidden = {path: "*" for path in event.keys if path.rpartition(".")[2] not in _SHOWN}
    if not hidden and not event.patient:
        return event
    return replace(event, patient="", keys=MappingProxyType({**event.keys, **hidden}))


def record(settings: Settings, event: Event) -> None:
    """One line, also beside a broker that runs and writes its own.

    Raises:
        CannotAudit: it cannot be written.
    """
    if not settings.audit.enabled:
        return
    journal = _journal(settings)
    Audit(settings.audit, journal)(event)
    journal.close()
    if journal.lost:
        raise CannotAudit(f"{settings.audits}: the audit cannot be written")


def recording(settings: Settings) -> Audits:
    """As `record`; what cannot be written is in the log only."""

    def audits(event: Event) -> None:
        try:
            record(settings, event)
        except CannotAudit as error:
            _log.error("%s; it was: %s", error, event.why)

    return audits


def _journal(settings: Settings) -> Journal:
    try:
        return Journal(settings.audits, settings.audit.max_size, settings.audit.max_files)
    except BackendFault as error:
        raise CannotAudit(f"{settings.audits}: {error}") from error


@asynccontextmanager
async def open_audit(settings: Settings, *, is_first: bool = True) -> AsyncIterator[Audits]:
    """What is told of everything, until the block is left.

    Args:
        settings: whether and what is recorded, and where it goes.
        is_first: of several processes that write it this one sends it too.

    Raises:
        CannotAudit: its files cannot be written.
    """
    if not settings.audit.enabled:
        yield unheard
        return
    journal = _journal(settings)
    try:
        unsent = Unsent(settings.audits) if is_first and settings.audit.syslog else None
    except OSError as error:
        raise CannotAudit(f"{settings.audits}: {error.strerror}") from error
    audit = Audit(settings.audit, journal)
    gathering = Gathering(audit)
    stop = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(_tick(gathering, journal))
            sending = None
            if unsent is not None:
                sending = group.create_task(deliver(unsent, settings.audit, stop))
            if is_first:
                audit(Event(kind=Kind.START))
            try:
                yield gathering
            finally:
                ticking.cancel()
                gathering.tick(last=True)
                if is_first:
                    audit(Event(kind=Kind.STOP))
                stop.set()
                if sending is not None:
                    await asyncio.wait({sending}, timeout=LAST)
                    sending.cancel()
    except BaseExceptionGroup as failures:
        if len(failures.exceptions) != 1:
            raise
        raise failures.exceptions[0] from None  # what the block raised, as it was
    finally:
        journal.close()


async def _tick(gathering: Gathering, journal: Journal) -> None:
    """Tell of what was gathered, and put it on the disk. Never ends."""
    while True:
        for _ in range(SYNC):
            await asyncio.sleep(TICK)
            gathering.tick()
        await anyio.to_thread.run_sync(journal.sync)
