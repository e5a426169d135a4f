"""Which doors are there, and with what is each served? Each opens only where it is configured."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hilum.config.limits import LimitSettings
from hilum.config.schema import Settings
from hilum.core.audit import unspoken
from hilum.core.broker import Broker
from hilum.core.fhir.patients import PatientIds
from hilum.core.jobs import BackgroundSends
from hilum.core.login import OPEN, Login
from hilum.core.readiness import Inspects, nothing
from hilum.core.records import Exposes
from hilum.net.guard import Application
from hilum.net.inbox import Inbox
from hilum.net.rates import Rates
from hilum.net.worker import Worker
from hilum.workshop.pool import Workshop

Started = Callable[[str, int], None]
"""Is told host and port."""
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
        rates: how much each caller may ask, at all doors together.
        inspects: looks whether what is ours is in order.
        exposes: gives what was counted, for the door of administrators.
        answered: set when the web door has answered all that it was asked.
    """

    settings: Settings
    broker: Broker
    inbox: Inbox
    sends: BackgroundSends | None
    workshop: Workshop
    stop: asyncio.Event
    worker: Worker | None
    tls: ssl.SSLContext | None
    login: Login = OPEN
    patients: PatientIds | None = None
    rates: Rates = field(default_factory=lambda: Rates(LimitSettings()))
    inspects: Inspects = nothing
    exposes: Exposes | None = None
    answered: asyncio.Event = field(default_factory=asyncio.Event)

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
        )

    async def _http(self, started: Started) -> None:
        from hilum.frontends.dicomweb.app import application  # noqa: PLC0415 - only where that door opens
        from hilum.frontends.fhir.service import fhir  # noqa: PLC0415 - as above
        from hilum.net import http  # noqa: PLC0415 - only where that door opens

        settings, worker = self.settings, self.worker
        mark = "" if worker is None else worker.mark
        viewer = settings.viewer if settings.http.viewer else None
        app: Application = application(
            self.broker,
            settings.http,
            self.sends,
            mark,
            self.workshop,
            viewer,
            settings.spill,
            self.login,
            None if self.patients is None else fhir(settings, self.patients),
            self.rates,
            self.inspects,
        )
        elsewhere = entrance = None
        if worker is not None:
            elsewhere, entrance = worker.elsewhere, worker.doors["http"]
            app = elsewhere.only_here(app)
        try:
            await http.serve(
                app,
                settings.http,
                started=started,
                stop=self.stop,
                entrance=entrance,
                elsewhere=elsewhere,
                tls=self.tls if settings.http.tls else None,
                refused=unspoken(self.broker.audits),
            )
        finally:
            self.answered.set()

    async def _admin(self, started: Started) -> None:
        from hilum.frontends.admin.app import application  # noqa: PLC0415 - only where that door opens
        from hilum.net import http  # noqa: PLC0415 - as above

        assert self.exposes is not None  # noqa: S101 - given where this door is open
        door = self.settings.admin_door
        await http.serve(
            application(
                self.broker,
                door,
                self.exposes,
                login=self.login,
                rates=self.rates,
                inspects=self.inspects,
            ),
            door,
            started=started,
            stop=self.stop,
            entrance=None if self.worker is None else self.worker.doors["admin"],
            tls=self.tls if door.tls else None,
            refused=unspoken(self.broker.audits),
        )
