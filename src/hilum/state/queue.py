"""How is kept what is to be done at far sides? In one table, whose rows are claimed for a while.

The statements are those of SQLite and PostgreSQL alike. With SQLite a transaction that writes keeps
out all others; with PostgreSQL, rows that another one is just claiming are passed over.
"""

import secrets
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from hilum.core.queue import Count, Errand, Kept
from hilum.state.schema import ERRAND
from hilum.state.thread import done

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

_ROW: Final = ERRAND.c
_ORDER: Final = (_ROW.due, _ROW.id)
_FREE: Final = {"leased_by": "", "lease": "", "leased_until": 0.0}
_LEASE: Final = 8  # random bytes
_IN_A_LIST: Final = 500  # ids in one statement


class Queue:
    """Implements `core.queue.Queue`.

    Args:
        engine: of the state's database, which writes.
        reading: one that does not, and waits for nobody.
        thread: the one thread in which all of it is done.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        engine: sa.Engine,
        reading: sa.Engine,
        thread: Executor,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._reading = reading
        self._thread = thread
        self._clock = clock
        self._upsert = upsert(engine.dialect)

    async def put(self, errands: Sequence[Errand], /, *, due: float | None = None) -> None:
        """See `core.queue.Queue`."""
        if errands:
            await done(self._thread, lambda: self._put(errands, due))

    async def claim(  # noqa: PLR0913 - as the protocol says
        self,
        kind: str,
        /,
        *,
        by: str,
        lease: float,
        most: int,
        only: Collection[str] | None = None,
        skip: Collection[str] = (),
    ) -> Sequence[Kept]:
        """See `core.queue.Queue`."""
        now = self._clock()
        wanted = claimable(kind, now, most, only, skip)
        values = {
            "leased_by": by,
            "lease": secrets.token_hex(_LEASE),
            "leased_until": now + lease,
            "attempts": _ROW.attempts + 1,
        }

        def claimed() -> list[Kept]:
            with self._engine.begin() as session:
                ids = [*session.execute(wanted).scalars()]
                if not ids:
                    return []
                session.execute(ERRAND.update().where(_ROW.id.in_(ids)).values(values))
                return _found(session, sa.select(ERRAND).where(_ROW.id.in_(ids)).order_by(*_ORDER))

        return await done(self._thread, claimed)

    async def extend(self, leases: Collection[str], lease: float, /) -> None:
        """See `core.queue.Queue`."""
        held = _ROW.lease.in_(list(leases)) & (_ROW.lease != "")
        await self._change(held, {"leased_until": self._clock() + lease})

    async def done(self, kept: Kept, /) -> None:
        """See `core.queue.Queue`."""
        await done(self._thread, lambda: self._end(kept, None))

    async def again(self, kept: Kept, reason: str, due: float, /) -> None:
        """See `core.queue.Queue`."""
        await done(self._thread, lambda: self._end(kept, {"reason": reason, "due": due}))

    async def bury(self, kept: Kept, reason: str, /) -> None:
        """See `core.queue.Queue`."""
        await done(self._thread, lambda: self._end(kept, {"reason": reason, "dead": 1}))

    async def release(self, kept: Sequence[Kept], /) -> None:
        """See `core.queue.Queue`."""
        fewer = sa.case((_ROW.attempts > 0, _ROW.attempts - 1), else_=0)
        for lease in {each.lease for each in kept}:
            ids = [each.id for each in kept if each.lease == lease]
            held = (_ROW.lease == lease) & _ROW.id.in_(ids)
            await self._change(held, {**_FREE, "attempts": fewer})

    async def free(self, by: str, /) -> None:
        """See `core.queue.Queue`."""
        await self._change(_ROW.leased_by == by, _FREE)

    async def expire(self, kind: str, target: str, before: float, reason: str, /) -> int:
        """See `core.queue.Queue`."""
        late = (_ROW.created < before) & (_ROW.leased_until < self._clock()) & (_ROW.dead == 0)
        meant = (_ROW.kind == kind) & (_ROW.target == target) & late
        return await self._change(meant, {**_FREE, "dead": 1, "reason": reason})

    async def forget(self, kind: str, target: str, /) -> int:
        """See `core.queue.Queue`."""
        meant = (_ROW.kind == kind) & (_ROW.target == target)
        return await self._run(ERRAND.delete().where(meant))

    async def next_due(
        self, kind: str, /, *, only: Collection[str] | None = None, skip: Collection[str] = ()
    ) -> float | None:
        """See `core.queue.Queue`."""
        free = _ROW.leased_until <= self._clock()
        query = sa.select(_ROW.due).where(*_meant(kind, only, skip), free)
        return await done(self._thread, lambda: self._first(query.order_by(_ROW.due).limit(1)))

    async def every(
        self,
        *,
        kind: str | None = None,
        target: str | None = None,
        dead: bool | None = None,
        most: int = 1000,
    ) -> Sequence[Kept]:
        """See `core.queue.Queue`."""
        query = sa.select(ERRAND).order_by(*_ORDER).limit(most)
        wanted = {"kind": kind, "target": target, "dead": None if dead is None else int(dead)}
        for name, value in wanted.items():
            if value is not None:
                query = query.where(_ROW[name] == value)

        def read() -> list[Kept]:
            with self._reading.begin() as session:
                return _found(session, query)

        return await done(self._thread, read)

    async def retry(self, ids: Collection[int], /) -> int:
        """See `core.queue.Queue`."""
        now = self._clock()
        values = {"dead": 0, "reason": "", "attempts": 0, "created": now, "due": now}
        some = [*_pieces(ids)]
        return sum([await self._change(_ROW.id.in_(each), values) for each in some])

    async def drop(self, ids: Collection[int], /) -> int:
        """See `core.queue.Queue`."""
        some = [*_pieces(ids)]
        return sum([await self._run(ERRAND.delete().where(_ROW.id.in_(each))) for each in some])

    async def counts(self) -> Sequence[Count]:
        """See `core.queue.Queue`."""
        waiting = sa.func.sum(1 - _ROW.dead)
        oldest = sa.func.min(sa.case((_ROW.dead == 0, _ROW.created)))
        query = (
            sa.select(_ROW.kind, _ROW.target, waiting, sa.func.sum(_ROW.dead), oldest)
            .group_by(_ROW.kind, _ROW.target)
            .order_by(_ROW.kind, _ROW.target)
        )

        def read() -> list[Count]:
            with self._reading.begin() as session:
                return [Count(*row) for row in session.execute(query)]

        return await done(self._thread, read)

    def _put(self, errands: Sequence[Errand], due: float | None) -> None:
        now = self._clock()
        rows = [
            {
                "kind": each.kind,
                "target": each.target,
                "key": each.key,
                "payload": orjson.dumps(each.payload).decode(),
                "version": 1,
                "attempts": 0,
                "created": now,
                "due": now if due is None else due,
                "dead": 0,
                "reason": "",
                **_FREE,
            }
            for each in errands
        ]
        with self._engine.begin() as session:
            session.execute(self._upsert, rows)

    def _end(self, kept: Kept, values: dict[str, Any] | None) -> None:
        """Let go of one that was done; `values` None: it is forgotten."""
        ours = (_ROW.id == kept.id) & (_ROW.lease == kept.lease) & (_ROW.lease != "")
        same = ours & (_ROW.version == kept.version)
        with self._engine.begin() as session:
            if values is None:
                session.execute(ERRAND.delete().where(same))
            else:
                session.execute(ERRAND.update().where(same).values(**values))
            # Also of a newer one that came meanwhile.
            session.execute(ERRAND.update().where(ours).values(**_FREE))

    async def _change(self, which: sa.ColumnElement[bool], values: dict[str, Any]) -> int:
        return await self._run(ERRAND.update().where(which).values(values))

    async def _run(self, statement: sa.Update | sa.Delete) -> int:
        def run() -> int:
            with self._engine.begin() as session:
                return session.execute(statement).rowcount

        return await done(self._thread, run)

    def _first(self, query: sa.Select[Any]) -> float | None:
        with self._reading.begin() as session:
            found = session.execute(query).scalar()
            return None if found is None else float(found)


def upsert(dialect: sa.Dialect) -> sa.Insert:
    """What keeps an errand, or has it take the place of the one about the same."""
    insert = _insert(dialect)
    renewed = ("payload", "attempts", "created", "due", "dead", "reason")
    changes = {name: insert.excluded[name] for name in renewed}
    return insert.on_conflict_do_update(
        index_elements=["kind", "target", "key"], set_={"version": _ROW.version + 1, **changes}
    )


def _insert(dialect: sa.Dialect) -> "sqlite.Insert | postgresql.Insert":
    if dialect.name != "postgresql":
        return sqlite.insert(ERRAND)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - 3 MB, where there is one

    return postgresql.insert(ERRAND)


def claimable(
    kind: str, now: float, most: int, only: Collection[str] | None, skip: Collection[str]
) -> sa.Select[tuple[int]]:
    """The ids of those that can be claimed."""
    return (
        sa.select(_ROW.id)
        .where(*_meant(kind, only, skip), _ROW.due <= now, _ROW.leased_until <= now)
        .order_by(*_ORDER)
        .limit(most)
        .with_for_update(skip_locked=True)
    )


def _meant(
    kind: str, only: Collection[str] | None, skip: Collection[str]
) -> Iterator[sa.ColumnElement[bool]]:
    yield _ROW.kind == kind
    yield _ROW.dead == 0
    if only is not None:
        yield _ROW.target.in_(list(only))
    if skip:
        yield _ROW.target.not_in(list(skip))


def _pieces(ids: Collection[int]) -> Iterator[list[int]]:
    whole = list(ids)
    for start in range(0, len(whole), _IN_A_LIST):
        yield whole[start : start + _IN_A_LIST]


def _found(session: sa.Connection, query: sa.Select[Any]) -> list[Kept]:
    return [_kept(row) for row in session.execute(query).mappings()]


def _kept(row: sa.RowMapping) -> Kept:
    errand = Errand(
        kind=row["kind"],
        target=row["target"],
        key=row["key"],
        payload=orjson.loads(row["payload"]),
    )
    return Kept(
        id=row["id"],
        errand=errand,
        version=row["version"],
        attempts=row["attempts"],
        created=row["created"],
        due=row["due"],
        is_dead=bool(row["dead"]),
        reason=row["reason"],
        lease=row["lease"],
        leased_until=row["leased_until"],
    )
