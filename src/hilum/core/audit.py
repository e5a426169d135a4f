"""What is told to the audit of an operation? Who asked for what, and how it ended."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import lru_cache
from types import MappingProxyType, TracebackType
from typing import TypeVar

from hilum.core import operations as ops
from hilum.core.backend import Found
from hilum.core.records import Tally
from hilum.model.audit import Action, Event, Kind, Outcome
from hilum.model.errors import HilumError
from hilum.model.identity import Level
from hilum.model.principal import Principal, Proof
from hilum.model.query import Path

T = TypeVar("T")
Audits = Callable[[Event], None]
"""Is told what happened; returns at once."""


def unheard(_event: Event, /) -> None:
    """There is no audit."""


def unspoken(audits: Audits) -> Callable[[str, str], None]:
    """What is told the address of who could not be spoken with at all, and why."""

    def refused(address: str, why: str) -> None:
        who = Principal(address=address)
        audits(Event(kind=Kind.NODE, who=who, outcome=Outcome.MINOR, why=why))

    return refused


@contextmanager
def told(audits: Audits, event: Callable[[str], Event]) -> Iterator[None]:
    """Tell of the block when it is left; `event` is made of what failed, "" for nothing."""
    try:
        yield
    except HilumError as error:
        audits(event(str(error)))
        raise
    audits(event(""))


def searched(
    audits: Audits,
    operation: ops.Find,
    opened: AbstractAsyncContextManager[Found],
    tally: Tally,
) -> AbstractAsyncContextManager[Found]:
    """Tell of a query that was answered, or failed; not of one that is a part of something."""
    if operation.who.proof is Proof.ADMITTED:
        return opened
    return _Searched(audits, operation, opened, tally)


class _Searched(AbstractAsyncContextManager[Found]):
    """Such a query. No generator, which costs several times as much."""

    def __init__(
        self,
        audits: Audits,
        operation: ops.Find,
        opened: AbstractAsyncContextManager[Found],
        tally: Tally,
    ) -> None:
        self._audits = audits
        self._operation = operation
        self._opened = opened
        self._tally = tally
        self._found: Found | None = None

    async def __aenter__(self) -> Found:
        try:
            self._found = await self._opened.__aenter__()
        except HilumError as error:
            self._tell(str(error))
            raise
        return self._found

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        if self._found is not None:
            self._tally.count = self._found.given
        try:
            taken = await self._opened.__aexit__(kind, error, traceback)
        except HilumError as failed:
            self._tell(str(failed))
            raise
        if error is None or taken:
            self._tell("")
        elif isinstance(error, HilumError):
            self._tell(str(error))
        return taken

    def _tell(self, why: str) -> None:
        query = self._operation.query
        keys = MappingProxyType({_name(path): value for path, value in query.match.items()})
        level = query.level
        self._audits(event_of(self._operation, Kind.QUERY, why, level=level, keys=keys))


@lru_cache(maxsize=1024)
def _name(path: Path) -> str:
    """A path as it stands in the audit."""
    return ".".join([f"{each:08X}" for each in path])


@asynccontextmanager
async def accessed(
    audits: Audits,
    operation: ops.Describe | ops.Bulk | ops.Lend,
    opened: AbstractAsyncContextManager[T],
) -> AsyncIterator[T]:
    """Tell of something that is looked into, before anything of it is given; and what fails."""

    def event(why: str) -> Event:
        study = operation.ref.study or ""
        return event_of(operation, Kind.ACCESSED, why, action=Action.READ, study=study)

    try:
        async with opened as given:
            audits(event(""))
            yield given
    except HilumError as error:
        audits(event(str(error)))
        raise


def deleted(operation: ops.Delete, count: int, why: str = "") -> Event:
    """What is told of a deletion; of a part of a study it is an access that deletes."""
    kind = Kind.DELETED if operation.ref.level is Level.STUDY else Kind.ACCESSED
    gone = MappingProxyType({"": count} if count else {})
    study = operation.ref.study or ""
    return event_of(operation, kind, why, action=Action.DELETE, study=study, instances=gone)


def event_of(operation: ops.Operation, kind: Kind, why: str, **more: object) -> Event:
    """What is told of an operation; `why` says what failed, "" that nothing did."""
    return Event(
        kind=kind,
        who=operation.who,
        mount=operation.mount,
        request_id=operation.request_id,
        outcome=Outcome.MINOR if why else Outcome.SUCCESS,
        why=why,
        **more,  # type: ignore[arg-type] # of the event
    )
