"""What happened that an audit must tell: who did what, where, and how it ended (PS3.15 §A.5.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final

from hilum.model.identity import Level
from hilum.model.principal import NOBODY, Principal

Counts = Mapping[str, int]
"""Instances by SOP Class UID; "" where their class is not known."""
NONE: Final[Counts] = MappingProxyType({})


class Kind(StrEnum):
    """Which event of PS3.15 §A.5.3 it is."""

    START = "application start"
    STOP = "application stop"
    LOGIN = "login"
    LOGOUT = "logout"
    NODE = "node authentication"  # an AE title or a TLS handshake that is not taken
    RESTRICTED = "use of restricted function"  # that was refused; or of an administrator
    CHANGED = "user security attributes changed"
    CONFIGURED = "security configuration"  # was saved, or applied
    LOST = "audit recording stopped"
    QUERY = "query"
    BEGUN = "begin transferring instances"
    TRANSFERRED = "instances transferred"
    ACCESSED = "instances accessed"
    DELETED = "study deleted"


class Outcome(IntEnum):
    """EventOutcomeIndicator."""

    SUCCESS = 0
    MINOR = 4  # it failed, or was refused
    SERIOUS = 8
    MAJOR = 12


class Action(StrEnum):
    """EventActionCode."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    DELETE = "D"
    EXECUTE = "E"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened, or several that are alike.

    Attributes:
        who: did it, or wanted to.
        mount: where; "" for the service itself.
        request_id: names the request in logs.
        why: what went wrong, without patient data.
        study: Study Instance UID; "" where it is about none, or it is not known.
        patient: Patient ID, where the request names it.
        instances: how many of which class went, or did not.
        comes: they come to us from `who`; else they go from us.
        to: where they go, if not to `who`.
        level, keys: of a query; path of tags in hexadecimal -> value.
        count: how often it happened.
    """

    kind: Kind
    who: Principal = NOBODY
    mount: str = ""
    request_id: str = ""
    outcome: Outcome = Outcome.SUCCESS
    action: Action = Action.EXECUTE
    why: str = ""
    study: str = ""
    patient: str = ""
    instances: Counts = field(default_factory=lambda: NONE)
    comes: bool = False
    to: str = ""
    level: Level | None = None
    keys: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event as it stands in the audit log.

    Attributes:
        time: when it happened, in milliseconds since the epoch; of several, when the last did.
        host, process: where it was noticed.
    """

    event: Event
    time: int
    host: str
    process: int
