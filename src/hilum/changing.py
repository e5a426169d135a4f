"""How does a running process take another configuration? Everything is made ready, then changed.

What can fail is done before anything changes: either all of it is applied, or nothing.
"""

import ssl
from dataclasses import dataclass

from hilum.authorising import CannotAuthorise, Logins, PreparedLogin
from hilum.config.schema import Settings
from hilum.core.broker import Broker
from hilum.doors import Doors
from hilum.mounting import CannotMount, Mounting, PreparedMounts
from hilum.net.tls import CannotLoad, Renewed, server
from hilum.net.worker import Worker
from hilum.service.reloading import CannotChange


@dataclass(frozen=True, slots=True)
class Changing:
    """What of a running process can change."""

    mounting: Mounting
    logins: Logins
    renewed: Renewed | None
    broker: Broker
    doors: Doors
    worker: Worker | None = None

    async def prepared(self, settings: Settings) -> "Prepared":
        """Make ready what another configuration needs.

        Raises:
            CannotChange: something is not to be had; then nothing has changed.
        """
        login: PreparedLogin | None = None
        worker = None if self.worker is None else self.worker.after(settings)
        try:
            context = None if self.renewed is None else server(settings.tls)
            login = await self.logins.prepared(settings.auth)
            mounts = await self.mounting.prepared(settings, worker)
        except (CannotLoad, CannotAuthorise, CannotMount) as error:
            if login is not None:
                await login.drop()
            where = "tls." if isinstance(error, CannotLoad) else ""
            raise CannotChange([f"{where}{error}"]) from error
        return Prepared(self, settings, login, mounts, context, worker)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Implements `service.reloading.Change`."""

    of: Changing
    settings: Settings
    login: PreparedLogin
    mounts: PreparedMounts
    context: ssl.SSLContext | None
    worker: Worker | None

    async def commit(self) -> None:
        """Change everything at once: nothing runs in between."""
        of, login, mounts = self.of, self.login.made, self.mounts.made
        if of.renewed is not None and self.context is not None:
            of.renewed.become(self.settings.tls, self.context)
        if of.worker is not None and self.worker is not None:
            of.worker.homes.become(self.worker.homes)
        of.broker.become(mounts.mounts, mounts.destinations, login.policy)
        of.doors.become(self.settings, login)  # requests that run hold on to what was
        self.mounts.commit()
        self.login.commit()

    async def drop(self) -> None:
        """Leave everything as it is."""
        await self.mounts.drop()
        await self.login.drop()
