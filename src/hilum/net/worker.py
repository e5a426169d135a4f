"""What is one of several processes that serve together? Its number, its doors, and the others."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hilum.config.schema import Settings
from hilum.net.crowd import Crowd
from hilum.net.elsewhere import Elsewhere
from hilum.net.entrance import Entrance
from hilum.net.homes import Homes
from hilum.net.letters import Letters


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One worker.

    Attributes:
        number: from 0.
        workers: how many there are.
        homes: which of them answers what.
        doors: its entrances, by "dimse", "http" and, of the first worker, "admin".
        letters: to the others.
        crowd: how many all of them have let in.
    """

    number: int
    workers: int
    homes: Homes
    doors: Mapping[str, Entrance]
    letters: Letters
    crowd: Crowd

    def serves(self, mount: str) -> bool:
        """Whether it has what stands behind a mount."""
        return self.homes.serves(mount, self.number)

    def is_home_of(self, mount: str) -> bool:
        """Whether it does what one worker does for a mount."""
        return self.homes.of(mount) == self.number

    def after(self, settings: Settings) -> "Worker":
        """The same, with the homes of another configuration."""
        return replace(self, homes=self.homes.after(settings))

    @property
    def mark(self) -> str:
        """What the names of its jobs end with, so that anybody can tell whose they are."""
        return f"-{self.number}"

    async def whose(self, called: str, calling: str, address: str) -> int | None:
        """The worker that must have an association; None: any can."""
        return await self.homes.of_caller(called, calling, address, self.crowd.is_waiting)

    @property
    def elsewhere(self) -> Elsewhere:
        """Who sends HTTP requests where they belong."""
        return Elsewhere(self.homes, self.number, self.letters)
