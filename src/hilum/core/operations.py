"""The requests a frontend can make. Plain values: easy to log, compare and authorise."""

from dataclasses import dataclass

from hilum.model.identity import Ref
from hilum.model.principal import NOBODY, Principal, Right
from hilum.model.query import Path, Query


@dataclass(frozen=True, slots=True)
class Originator:
    """Who asked for a C-MOVE: Move Originator AE Title (0000,1030) and Message ID (0000,1031)."""

    ae_title: str
    message_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Who asks what of which mount.

    Attributes:
        mount: AE title of the mount, as called (DIMSE) or in the path (HTTP).
        who: asks, as far as that was proven.
        request_id: names this request in logs.
    """

    mount: str
    who: Principal = NOBODY
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Come(Operation):
    """Come to a door of the mount; what is wanted there is asked for after that.

    Attributes:
        any_of: rights of which the caller must have one.
    """

    any_of: frozenset[Right]


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo(Operation):
    """Is what stands behind the mount alive? Answered by the seconds it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Find(Operation):
    """Search. Answered by a stream of matches."""

    query: Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieve(Operation):
    """Give everything below `refs`. Answered by a retrieval: a manifest and a stream."""

    refs: tuple[Ref, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe(Operation):
    """Give the metadata of everything below `ref` (PS3.18 §10.4.1.1.2)."""

    ref: Ref
    bulk_root: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk(Operation):
    """Give one value that the metadata left out (PS3.18 §10.4.1.1.5)."""

    ref: Ref
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Lend(Operation):
    """Let one instance be looked into: its frames, its pixels. Answered by a file here."""

    ref: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Store(Operation):
    """Keep instances. Answered by a session that takes one after another.

    Attributes:
        contexts: (SOP Class UID, Transfer Syntax UID) of what will come, where known.
        originator: who moved them here, where a C-MOVE did.
    """

    contexts: tuple[tuple[str, str], ...] = ()
    originator: Originator | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete(Operation):
    """Delete everything at and below `ref`, for good. Answered by how many instances that were."""

    ref: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(Operation):
    """Give everything below `refs` to another place. Answered by a stream of progress.

    Attributes:
        destination: AE title of the peer, or name of the mount, that shall get it.
    """

    refs: tuple[Ref, ...]
    destination: str
    originator: Originator | None = None
