"""What did an operation move? Counted as it goes, and told to the audit study by study."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from hilum.core import operations as ops
from hilum.core.audit import Audits, event_of
from hilum.core.backend import Retrieval, Retrieves, Stores, StoreSession
from hilum.core.records import Records, Tally
from hilum.model.audit import Action, Counts, Event, Kind
from hilum.model.errors import HilumError
from hilum.model.identity import Ref
from hilum.model.instance import Instance, Listed
from hilum.model.outcome import Progress, Stored

MOST_STUDIES = 1000
"""Studies that one operation counts; with more it tells of them before its end."""
EVERY = 10.0
"""Seconds after which it tells of what came so far: an association may stay open for days."""


@dataclass(slots=True)
class Account:
    """What one operation moves, counted as it goes; told of study by study.

    A message is about one patient, and about what went well or what did not (PS3.15 §A.5.2,
    §A.5.3.7).

    Attributes:
        tally: what is counted of it for those who look after the service.
        refs: what is to go; none where that is not known before it comes.
        to: where it goes, if not to who asks.
    """

    audits: Audits
    tally: Tally
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
    def operation(self) -> ops.Operation:
        """What is done."""
        return self.tally.operation

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
        self.tally.count += 1

    def stored(self, stored: Stored) -> None:
        """One was taken, or not."""
        known = stored.study_instance_uid or self._only
        study = known or self._studies.get(stored.sop_instance_uid, "")
        if stored.failure is None:
            self._count(self._went, study, stored.sop_class_uid)
            self._total += 1
            self.tally.count += 1
        else:
            self._count(self._failed, study, stored.sop_class_uid)
            self._total_failed += 1
            self.tally.failed += 1
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
            self.tally.count += went
        failed = progress.failed - self._total_failed
        if failed > 0:
            self._count(self._failed, only, "", failed)
            self.tally.failed += failed
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
        return event_of(
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
    account: Account, opened: AbstractAsyncContextManager[Retrieval]
) -> AsyncIterator[Retrieval]:
    """Tell what is given to who asks, as far as it is read."""
    async with closing(account), opened as retrieval:
        account.listed(retrieval.manifest)
        yield replace(retrieval, instances=_Given(retrieval.instances, account))


@dataclass(slots=True)
class _Given(AsyncIterator[Instance]):
    """Instances that are counted as they go."""

    instances: AsyncIterator[Instance]
    account: Account

    async def __anext__(self) -> Instance:
        instance = await anext(self.instances)
        self.account.gave(instance)
        return self.account.tally.weighed(instance)


@asynccontextmanager
async def stored(
    account: Account,
    opened: AbstractAsyncContextManager[StoreSession],
    records: Records | None,
) -> AsyncIterator[StoreSession]:
    """Tell what was taken from who asks."""
    async with closing(account), opened as session:
        yield _Taken(session, account, records)


@dataclass(slots=True)
class _Taken:
    """Implements `core.backend.StoreSession`.

    Attributes:
        records: is told how long each takes; None: nobody is.
    """

    session: StoreSession
    account: Account
    records: Records | None = None

    async def store(self, instance: Instance, /) -> Stored:
        """Take one, and count it."""
        tally, began = self.account.tally, time.perf_counter()
        try:
            stored = await self.session.store(tally.weighed(instance))
        finally:
            if self.records is not None:
                self.records.stored(tally, time.perf_counter() - began)
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
