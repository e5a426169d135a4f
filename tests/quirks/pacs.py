"""The quirky PACS as a test sees it, whatever it is made of."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.contract.made import Made
from tests.quirks.holding import STRANGER, Holding
from tests.quirks.switches import Quirks

from hilum.codec.associate import AssociateRequest
from hilum.model.identity import Level
from hilum.model.query import Path

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that it got."""

    service: str
    calling: str
    level: Level | None = None
    keys: Mapping[Path, str] = field(default_factory=dict)
    destination: str = ""


@dataclass(slots=True)
class Pacs:
    """A running quirky PACS.

    Attributes:
        quirks: may be changed while it runs; what is asked from then on is answered that way.
        destinations: Move Destination -> host and port; may be changed, too.
        calls: the association requests (of our own make only).
        asked: the requests, in order.
        sent: SOP Instance UIDs of what it sent, in order.
        taken: those of what was stored at it (our own make only).
        answers: C-FIND answers that it sent.
        cancels: C-CANCELs that came.
        open: associations that are open.
    """

    aet: str
    quirks: Quirks
    destinations: dict[str, tuple[str, int]]
    holding: Holding
    port: int = 0
    calls: list[AssociateRequest] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    answers: int = 0
    cancels: int = 0
    open: int = 0
    halted: threading.Event = field(default_factory=threading.Event)

    @property
    def place(self) -> str:
        """How it is named on a command line."""
        return f"{self.aet}@{HOST}:{self.port}"

    def of(self, service: str) -> list[Asked]:
        """The requests of one service: "C-FIND"."""
        return [each for each in self.asked if each.service == service]

    def halt(self) -> None:
        """Let go who stalls."""
        self.halted.set()


def pacs_of(aet: str, quirks: Quirks, destinations: Mapping[str, int], stranger: Made) -> Pacs:
    """One that does not run yet."""
    assert stranger.sop_instance_uid == STRANGER
    places = {name: (HOST, port) for name, port in destinations.items()}
    return Pacs(aet, quirks, places, Holding(aet, stranger))
