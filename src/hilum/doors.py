"""Which doors are there, and with what is each served? Each opens only where it is configured."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hilum.config.limits import LimitSettings
from hilum.config.schema import Settings
from hilum.core.audit import unspoken
from hilum.core.broker import Broker
from hilum.core.fhir.patients import PatientIds
from hilum.core.jobs import BackgroundSends
from hilum.core.login import OPEN, Login
from hilum.core.readiness import Inspects, nothing
from hilum.core.records import Exposes
from hilum.frontends.admin.desk import Desk
from hilum.net.fair import Fair
from hilum.net.guard import Application
from hilum.net.inbox import Inbox
from hilum.net.rates import Rates
from hilum.net.tls import Speaks
from hilum.net.worker import Worker
from hilum.workshop.pool import Workshop

if TYPE_CHECKING:
    from hilum.frontends.fhir.service import Subscribable

Started = Callable[[str, int], None]
"""Is told host and port."""
Changes = list[Callable[[Settings, Login], None]]
"""Each door adds what takes other settings and another login while it is open."""
Door = Callable[[Started], Awaitable[None]]
"""Listens, serves until it is told to stop, and lets what runs end."""


@dataclass(frozen=True, slots=True)
class Doors:
    """What every door is served with.

    Attributes:
        stop: set when the service stops.
        worker: which of several processes this is; None: there is one.
        tls: to speak TLS with, where a door does.
        login: how it is known who comes, and what is allowed.
        patients: the ids of FHIR's Patients; None: FHIR is not offered.
        subscriptions: who wants to be told of changes; None: nobody can.
        rates: how much each caller may ask, at all doors together.
        fair: counts what is done for whom, at all doors together.
        inspects: looks whether what is ours is in order.
        exposes: gives what was counted, for the door of administrators.
        desk: what its pages work with.
        answered: set when the web door has answered all that it was asked.
        changes: to be called with other settings and logins, for each door that is open.
    """

    settings: Settings
    broker: Broker
    inbox: Inbox
    sends: BackgroundSends | None
    workshop: Workshop
    stop: asyncio.Event
    worker: Worker | None
    tls: Speaks | None
    login: Login = OPEN
    patients: PatientIds | None = None
    subscriptions: "Subscribable | None" = None
    rates: Rates = field(default_factory=lambda: Rates(LimitSettings()))
    fair: Fair = field(default_factory=Fair)
    inspects: Inspects = nothing
    exposes: Exposes | None = None
    desk: Desk = field(default_factory=Desk)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    changes: Changes = field(default_factory=list)

    def become(self, settings: Settings, login: Login) -> None:
        """Serve with other settings and logins from now on; what runs goes on."""
        self.rates.become(settings.limits)
        for each in self.changes:
            each(settings, login)

    def open(self) -> dict[str, Door]:
        """Those that are to be opened, by name."""
        doors: dict[str, Door] = {}
        if self.settings.has_dimse:
            doors["dimse"] = self._dimse
        if self.settings.has_http:
            doors["http"] = self._http
        if self.settings.admin.enabled and (self.worker is None or "admin" in self.worker.doors):
            doors["admin"] = self._admin
        return doors

    async def _dimse(self, started: Started) -> None:
        from hilum.frontends.dimse import server  # noqa: PLC0415 - only where that door opens

        await server.serve(
            self.broker,
            self.settings,
            inbox=self.inbox,
            started=started,
            stop=self.stop,
            answered=self.answered if self.settings.has_http else None,
            worker=self.worker,
            tls=self.tls,
            login=self.login,
            rates=self.rates,
            changes=self.changes,
            fair=self.fair,
        )

    async def _http(self, started: Started) -> None:
        from hilum.frontends.current import Current  # noqa: PLC0415 - as above
        from hilum.frontends.dicomweb.app import application  # noqa: PLC0415 - only where that door opens
        from hilum.frontends.fhir.service import fhir  # noqa: PLC0415 - as above
        from hilum.net import http  # noqa: PLC0415 - only where that door opens

        worker = self.worker
        mark = "" if worker is None else worker.mark
        current = Current(
            lambda broker, settings, login, before: application(
                broker,
                settings.http,
                self.sends,
                mark,
                self.workshop,
                settings.viewer if settings.http.viewer else None,
                settings.spill,
                login,
                None
                if self.patients is None
                else fhir(settings, self.patients, self.subscriptions),
                self.rates,
                self.inspects,
                before,
            ),
            self.broker,
            self.settings,
            self.login,
        )
        self.changes.append(current.become)
        app: Application = current
        elsewhere = entrance = None
        if worker is not None:
            elsewhere, entrance = worker.elsewhere, worker.doors["http"]
            app = elsewhere.only_here(app)
        try:
            await http.serve(
                app,
                self.settings.http,
                started=started,
                stop=self.stop,
                entrance=entrance,
                elsewhere=elsewhere,
                tls=self.tls if self.settings.http.tls else None,
                refused=unspoken(self.broker.audits),
                now=lambda: current.settings.http,
                fair=self.fair,
            )
        finally:
            self.answered.set()

    async def _admin(self, started: Started) -> None:
        from hilum.frontends.admin.app import application  # noqa: PLC0415 - only where that door opens
        from hilum.frontends.current import Current  # noqa: PLC0415 - as above
        from hilum.net import http  # noqa: PLC0415 - as above

        exposes, door = self.exposes, self.settings.admin_door
        assert exposes is not None  # noqa: S101 - given where this door is open
        current = Current(
            lambda broker, settings, login, _before: application(
                broker,
                settings.admin_door,
                exposes,
                login=login,
                rates=self.rates,
                inspects=self.inspects,
                desk=self.desk,
            ),
            self.broker,
            self.settings,
            self.login,
        )
        self.changes.append(current.become)
        await http.serve(
            current,
            door,
            started=started,
            stop=self.stop,
            entrance=None if self.worker is None else self.worker.doors["admin"],
            tls=self.tls if door.tls else None,
            refused=unspoken(self.broker.audits),
            now=lambda: current.settings.admin_door,
            fair=self.fair,
        )
