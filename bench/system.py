"""What is measured: a server that runs, and how it is spoken to."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from bench.access import OPEN, Access


class Ability(Enum):
    """What a system can be asked."""

    STORE = auto()
    FIND = auto()
    GET = auto()
    MOVE = auto()
    WEB = auto()
    MANY = auto()
    """It keeps thousands of studies."""
    AT_ONCE = auto()
    """It keeps what comes on several associations at once."""


ALL = frozenset(Ability)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A server that runs.

    Attributes:
        name: as it stands in the tables.
        port, aet: of its DIMSE door.
        web: root of its DICOMweb resources, without a slash at the end.
        pid: of its process, where its CPU and memory can be read.
        durability: what it does before it says that an instance is stored, as documented.
        abilities: what it is asked.
        access: how clients come in.
        ours: it is Hilum.
    """

    name: str
    host: str = "127.0.0.1"
    port: int
    aet: str
    web: str = ""
    pid: int | None = None
    durability: str = ""
    abilities: frozenset[Ability] = ALL
    access: Access = OPEN
    ours: bool = False


def able(systems: Iterable[System], *needed: Ability) -> list[System]:
    """Those that can be asked all of that."""
    return [each for each in systems if each.abilities.issuperset(needed)]
