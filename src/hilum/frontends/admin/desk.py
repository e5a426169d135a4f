"""What do the pages of administrators work with? Handed in, as it is made on other floors."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from hilum.config.schema import Settings
from hilum.core.explained import Question, Route
from hilum.core.policy import Policy
from hilum.core.queue import Queue
from hilum.core.records import Tally
from hilum.core.transactions import Transaction
from hilum.frontends.admin.health import Health
from hilum.frontends.admin.trial import Heard, Probes, Proposed, Trials
from hilum.model.errors import NotOffered
from hilum.model.issued import IssuedToken
from hilum.model.principal import Grant, Principal


class Tokens(Protocol):
    """Keeps the tokens that we issue. All may raise BackendFault."""

    async def create(
        self, name: str, grant: Grant, life: float | None = None
    ) -> tuple[IssuedToken, str]:
        """A new one, and its text, which nobody can be told again."""

    async def every(self) -> Sequence[IssuedToken]:
        """All there ever were."""

    async def revoke(self, which: str) -> IssuedToken:
        """Let it open nothing any more; raises NotFound, InUse."""


class Explained(Protocol):
    """What a line of the log means."""

    @property
    def text(self) -> str:
        """And what helps."""

    @property
    def part(self) -> str:
        """Heading in the manual's chapter of troubleshooting."""


class Line(Protocol):
    """A line of the log that somebody should look at."""

    @property
    def when(self) -> float:
        """The last time, in seconds since the epoch."""

    @property
    def level(self) -> str:
        """Such as "WARNING"."""

    @property
    def room(self) -> str:
        """Who said it."""

    @property
    def text(self) -> str:
        """What."""

    @property
    def advice(self) -> Explained | None:
        """What it means."""

    @property
    def request(self) -> str:
        """For which it was said."""

    @property
    def count(self) -> int:
        """How often."""


async def _no_peer(name: str) -> float:
    raise NotOffered(f"{name} cannot be asked here")


async def _no_reload(_who: Principal) -> Mapping[str, Any]:
    return {"ok": False, "applied": [], "restart": [], "problems": ["nobody can reload here"]}


async def _no_probe(name: str, _retrieves: bool, _heard: Heard) -> Proposed:  # noqa: FBT001 - see Probes
    raise NotOffered(f"{name} cannot be probed here")


async def _no_way(_question: Question, _policy: Policy) -> Route:
    raise NotOffered("nobody can explain here")


@dataclass(frozen=True, slots=True)
class Desk:
    """What is shown and done.

    Attributes:
        settings: those that are in force.
        underway: the operations that run.
        recent: what went wrong of late.
        sends: those in the background that have not ended.
        queue: what is to be brought elsewhere; None: nothing is.
        tokens: those that we issue; None: nothing is kept.
        echo_peer: asks one of `[peers]` whether it lives; the seconds that it took.
        reload: has the configuration applied, for whom; what became of it, as `hilum reload --json`
            says it.
        explain: which way a request would go, and whether a policy allows it. Raises HilumError
            for one that would be refused.
        probe: learns what a system is like.
        trials: the probe that runs, or ran last.
        health: how mounts and peers were when somebody looked last.
        worker: our number, from 0.
    """

    settings: Callable[[], Settings] = Settings
    underway: Callable[[], Sequence[Tally]] = tuple
    recent: Callable[[], Sequence[Line]] = tuple
    sends: Callable[[], Sequence[Transaction]] = tuple
    queue: Queue | None = None
    tokens: Tokens | None = None
    echo_peer: Callable[[str], Awaitable[float]] = _no_peer
    reload: Callable[[Principal], Awaitable[Mapping[str, Any]]] = _no_reload
    explain: Callable[[Question, Policy], Awaitable[Route]] = _no_way
    probe: Probes = _no_probe
    trials: Trials = field(default_factory=Trials)
    health: Health = field(default_factory=Health)
    worker: int = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """What goes on in the background does so until the block is left."""
        async with self.health.asking(), self.trials.open():
            yield
