"""What is told to the audit of an operation? What it moved, from and to whom, and how it ended."""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from hilum.core import operations as ops
from hilum.core.backend import Found, Retrieval, Retrieves, Stores, StoreSession
from hilum.model.audit import Action, Counts, Event, Kind, Outcome
from hilum.model.errors import HilumError
from hilum.model.identity import Level, Ref
from hilum.model.instance import Instance, Listed
from hilum.model.outcome import Progress, Stored
from hilum.model.principal import Principal, Proof

T = TypeVar("T")
Audits = Callable[[Event], None]
"""Is told what happened; returns at once."""
MOST_STUDIES = 1000
"""Studies that one operation counts; with more it tells of them before its end."""
EVERY = 10.0
"""Seconds after which it tells of what came so far: an association may stay open for days."""


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


@asynccontextmanager
async def searched(
    audits: Audits, operation: ops.Find, opened: AbstractAsyncContextManager[Found]
) -> AsyncIterator[Found]:
    """Tell of a query that was answered, or failed; not of one that is a part of something."""
    if operation.who.proof is Proof.ADMITTED:
        async with opened as found:
            yield found
        return
    query = operation.query

    def event(why: str) -> Event:
        paths = {".".join(f"{each:08X}" for each in path): v for path, v in query.match.items()}
        return _event(operation, Kind.QUERY, why, level=query.level, keys=MappingProxyType(paths))

    with told(audits, event):
        async with opened as found:
            yield found


@asynccontextmanager
async def accessed(
    audits: Audits,
    operation: ops.Describe | ops.Bulk | ops.Lend,
    opened: AbstractAsyncContextManager[T],
) -> AsyncIterator[T]:
    """Tell of something that is looked into, before anything of it is given; and what fails."""

    def event(why: str) -> Event:
        study = operation.ref.study or ""
        return _event(operation, Kind.ACCESSED, why, action=Action.READ, study=study)

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
    return _event(operation, kind, why, action=Action.DELETE, study=study, instances=gone)


def _event(operation: ops.Operation, kind: Kind, why: str, **more: object) -> Event:
    return Event(
        kind=kind,
        who=operation.who,
        mount=operation.mount,
        request_id=operation.request_id,
        outcome=Outcome.MINOR if why else Outcome.SUCCESS,
        why=why,
        **more,  # type: ignore[arg-type] # of the event
    )


@dataclass(slots=True)
class Account:
    """What one operation moves, counted as it goes; told of study by study.

    A message is about one patient, and about what went well or what did not (PS3.15 §A.5.2,
    §A.5.3.7).

    Attributes:
        refs: what is to go; none where that is not known before it comes.
        to: where it goes, if not to who asks.
    """

    audits: Audits
    operation: ops.Operation
    refs: Sequence[Ref] = ()
    to: str = ""
    progress: Progress = field(default_factory=Progress)
    _went: dict[str, dict[str, int]] = field(default_factory=dict)
    _failed: dict[str, dict[str, int]] = field(default_factory=dict)
    _why: dict[str, str] = field(default_factory=dict)
    _total: int = 0
    _total_failed: int = 0
    _begun: set[str] = field(default_factory=set)
    _studies: dict[str, str] = field(default_factory=dict)
    _since: float = field(default_factory=time.monotonic)

    @property
    def _only(self) -> str:
        """The one study that it is about; "" for several, or none that is known."""
        studies = {each.study for each in self.refs}
        return next(iter(studies)) or "" if len(studies) == 1 else ""

    def listed(self, manifest: Sequence[Listed] | None) -> None:
        """Look where instances belong, as far as that is not said already."""
        if manifest is not None and not self._only:
            found = ((each.sop_instance_uid, each.study_instance_uid) for each in manifest)
            self._studies = {uid: study for uid, study in found if study}

    def gave(self, instance: Instance) -> None:
        """One goes out."""
        study = self._only or self._studies.get(instance.sop_instance_uid, "")
        self.begin(study)
        self._count(self._went, study, instance.sop_class_uid)
        self._total += 1

    def stored(self, stored: Stored) -> None:
        """One was taken, or not."""
        known = stored.study_instance_uid or self._only
        study = known or self._studies.get(stored.sop_instance_uid, "")
        if stored.failure is None:
            self._count(self._went, study, stored.sop_class_uid)
            self._total += 1
        else:
            self._count(self._failed, study, stored.sop_class_uid)
            self._total_failed += 1
            self._why.setdefault(study, str(stored.failure))
        if time.monotonic() - self._since > EVERY or len(self._went) > MOST_STUDIES:
            self._tell()

    def begin(self, study: str) -> None:
        """Tell once of each study that something of it is about to go."""
        if study not in self._begun:
            if len(self._begun) >= MOST_STUDIES:
                self._tell()
                self._begun.clear()
            self._begun.add(study)
            self.audits(self._of(Kind.BEGUN, study, Action.EXECUTE))

    def close(self, error: BaseException | None = None) -> None:
        """Tell of all that went, and of what did not."""
        progress, only = self.progress, self._only
        went = progress.completed + progress.warning - self._total
        if went > 0:  # somebody else sent it
            self._count(self._went, only, "", went)
        failed = progress.failed - self._total_failed
        if failed > 0:
            self._count(self._failed, only, "", failed)
        if failed > 0 or isinstance(error, HilumError):
            reason = error if isinstance(error, HilumError) else progress.reason
            self._why.setdefault(only, str(reason or "not everything was sent"))
            self._failed.setdefault(only, {})
        elif error is not None and self._begun:
            self._why.setdefault(only, "it was broken off")
            self._failed.setdefault(only, {})
        self._tell()

    def _tell(self) -> None:
        came = isinstance(self.operation, ops.Store)
        action = Action.CREATE if came else Action.READ
        for study, counts in self._went.items():
            self.audits(self._of(Kind.TRANSFERRED, study, action, MappingProxyType(counts)))
        for study, counts in self._failed.items():
            why = self._why.get(study, "it was not stored")
            self.audits(self._of(Kind.TRANSFERRED, study, action, MappingProxyType(counts), why))
        self._went, self._failed, self._why = {}, {}, {}
        self._since = time.monotonic()

    def _of(
        self,
        kind: Kind,
        study: str,
        action: Action,
        instances: Counts = MappingProxyType({}),
        why: str = "",
    ) -> Event:
        patients = {each.patient for each in self.refs if each.patient}
        return _event(
            self.operation,
            kind,
            why,
            action=action,
            study=study,
            patient=patients.pop() if len(patients) == 1 else "",
            instances=instances,
            comes=isinstance(self.operation, ops.Store),
            to=self.to,
        )

    @staticmethod
    def _count(
        where: dict[str, dict[str, int]], study: str, sop_class: str, so_many: int = 1
    ) -> None:
        counts = where.setdefault(study, {})
        counts[sop_class] = counts.get(sop_class, 0) + so_many


@asynccontextmanager
async def closing(account: Account) -> AsyncIterator[None]:
    """Close it with the block."""
    try:
        yield
    except BaseException as error:
        account.close(error)
        raise
    account.close()


@asynccontextmanager
async def retrieved(
    audits: Audits, operation: ops.Retrieve, opened: AbstractAsyncContextManager[Retrieval]
) -> AsyncIterator[Retrieval]:
    """Tell what is given to who asks, as far as it is read."""
    account = Account(audits, operation, operation.refs)
    async with closing(account), opened as retrieval:
        account.listed(retrieval.manifest)
        given = _Given(retrieval.instances, account)
        yield Retrieval(retrieval.manifest, given, retrieval.count)


@dataclass(slots=True)
class _Given(AsyncIterator[Instance]):
    """Instances that are counted as they go."""

    instances: AsyncIterator[Instance]
    account: Account

    async def __anext__(self) -> Instance:
        instance = await anext(self.instances)
        self.account.gave(instance)
        return instance


@asynccontextmanager
async def stored(
    audits: Audits, operation: ops.Store, opened: AbstractAsyncContextManager[StoreSession]
) -> AsyncIterator[StoreSession]:
    """Tell what was taken from who asks."""
    account = Account(audits, operation)
    async with closing(account), opened as session:
        yield _Taken(session, account)


@dataclass(slots=True)
class _Taken:
    """Implements `core.backend.StoreSession`."""

    session: StoreSession
    account: Account

    async def store(self, instance: Instance, /) -> Stored:
        """Take one, and count it."""
        stored = await self.session.store(instance)
        self.account.stored(stored)
        return stored


@asynccontextmanager
async def sent(
    account: Account, opened: AbstractAsyncContextManager[AsyncIterator[Progress]]
) -> AsyncIterator[AsyncIterator[Progress]]:
    """Tell what was sent, by us or by who has it."""
    async with closing(account), opened as progresses:
        for study in dict.fromkeys(each.study or "" for each in account.refs):
            account.begin(study)
        yield _Followed(progresses, account)


@dataclass(slots=True)
class _Followed(AsyncIterator[Progress]):
    """Progress that is looked at."""

    progresses: AsyncIterator[Progress]
    account: Account

    async def __anext__(self) -> Progress:
        self.account.progress = progress = await anext(self.progresses)
        return progress


@dataclass(frozen=True, slots=True)
class Listing:
    """Implements `core.backend.Retrieves`: where instances belong is noted."""

    retrieves: Retrieves
    account: Account

    @asynccontextmanager
    async def retrieve(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        """As `retrieves` does."""
        async with self.retrieves.retrieve(refs) as retrieval:
            self.account.listed(retrieval.manifest)
            yield retrieval


@dataclass(frozen=True, slots=True)
class Counting:
    """Implements `core.backend.Stores`: what is taken is counted."""

    stores: Stores
    account: Account

    @asynccontextmanager
    async def open(
        self,
        contexts: Sequence[tuple[str, str]] = (),
        originator: ops.Originator | None = None,
        /,
    ) -> AsyncIterator[StoreSession]:
        """As `stores` does."""
        async with self.stores.open(contexts, originator) as session:
            yield _Taken(session, self.account)
