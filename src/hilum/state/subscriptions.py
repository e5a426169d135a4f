"""How are subscriptions kept, and what those who poll have seen? Until somebody removes them."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, Final

import orjson
import sqlalchemy as sa

from hilum.core.fhir.subscriptions import Subscription
from hilum.model.principal import Grant, Principal, Proof, Right
from hilum.state.schema import SEEN, SUBSCRIPTION
from hilum.state.thread import done

_ROW: Final = SUBSCRIPTION.c


class Subscriptions:
    """Implements `core.fhir.subscriptions.KeepsSubscriptions` and `core.detecting.Remembers`.

    Args:
        engine: of the state's database, which writes.
        reading: one that does not, and waits for nobody.
        thread: the one thread in which all of it is done.
    """

    def __init__(self, engine: sa.Engine, reading: sa.Engine, thread: Executor) -> None:
        self._engine = engine
        self._reading = reading
        self._thread = thread

    async def add(self, subscription: Subscription, /, *, most: int) -> bool:
        """See `core.fhir.subscriptions.KeepsSubscriptions`."""
        count = sa.select(sa.func.count()).where(_ROW.mount == subscription.mount)

        def add() -> bool:
            with self._engine.begin() as session:
                if session.execute(count).scalar_one() >= most:
                    return False
                session.execute(SUBSCRIPTION.insert().values(_values(subscription)))
                return True

        return await done(self._thread, add)

    async def one(self, name: str, /) -> Subscription | None:
        """See `core.fhir.subscriptions.KeepsSubscriptions`."""
        found = await self._found(_ROW.id == name)
        return found[0] if found else None

    async def of(self, mount: str, /) -> Sequence[Subscription]:
        """See `core.fhir.subscriptions.KeepsSubscriptions`."""
        return await self._found(_ROW.mount == mount)

    async def become(self, subscription: Subscription, /) -> bool:
        """See `core.fhir.subscriptions.KeepsSubscriptions`."""
        same = (_ROW.id == subscription.id) & (_ROW.version == subscription.version)
        values = {**_values(subscription), "version": subscription.version + 1}
        change = SUBSCRIPTION.update().where(same).values(values)
        return await self._run(lambda session: bool(session.execute(change).rowcount))

    async def remove(self, name: str, /) -> None:
        """See `core.fhir.subscriptions.KeepsSubscriptions`."""
        removal = SUBSCRIPTION.delete().where(_ROW.id == name)
        await self._run(lambda session: bool(session.execute(removal).rowcount))

    async def seen(self, mount: str, /) -> Mapping[str, str]:
        """See `core.detecting.Remembers`."""
        query = sa.select(SEEN.c.study, SEEN.c.digest).where(SEEN.c.mount == mount)

        def read() -> dict[str, str]:
            with self._reading.begin() as session:
                return {row.study: row.digest for row in session.execute(query)}

        return await done(self._thread, read)

    async def see(self, mount: str, found: Mapping[str, str], gone: Sequence[str], /) -> None:
        """See `core.detecting.Remembers`."""
        rows = [{"mount": mount, "study": key, "digest": each} for key, each in found.items()]
        old = [{"old": each} for each in (*gone, *found)]
        removal = SEEN.delete().where(SEEN.c.mount == mount, SEEN.c.study == sa.bindparam("old"))

        def write(session: sa.Connection) -> bool:
            if old:
                session.execute(removal, old)
            if rows:
                session.execute(SEEN.insert(), rows)
            return True

        await self._run(write)

    async def _found(self, which: sa.ColumnElement[bool]) -> list[Subscription]:
        query = sa.select(SUBSCRIPTION).where(which).order_by(_ROW.id)

        def read() -> list[Subscription]:
            with self._reading.begin() as session:
                return [_subscription(row) for row in session.execute(query).mappings()]

        return await done(self._thread, read)

    async def _run(self, work: Callable[[sa.Connection], bool]) -> bool:
        def run() -> bool:
            with self._engine.begin() as session:
                return work(session)

        return await done(self._thread, run)


def _values(subscription: Subscription) -> dict[str, Any]:
    owner = subscription.owner
    who = {
        "name": owner.name,
        "proof": owner.proof,
        "ae_title": owner.ae_title,
        "address": owner.address,
        "certificate": owner.certificate,
        "claims": {**owner.claims},
        "grants": [[sorted(each.rights), sorted(each.mounts)] for each in owner.grants],
    }
    return {
        "id": subscription.id,
        "mount": subscription.mount,
        "version": subscription.version,
        "root": subscription.root,
        "status": subscription.status,
        "error": subscription.error,
        "owner": orjson.dumps(who, default=str).decode(),
        "said": orjson.dumps(subscription.said).decode(),
        "headers": orjson.dumps(subscription.headers).decode(),
        "changed": subscription.changed,
    }


def _subscription(row: sa.RowMapping) -> Subscription:
    who = orjson.loads(row["owner"])
    grants = tuple(
        Grant(frozenset(map(Right, rights)), frozenset(mounts)) for rights, mounts in who["grants"]
    )
    owner = Principal(**{**who, "proof": Proof(who["proof"]), "grants": grants})
    return Subscription(
        id=row["id"],
        mount=row["mount"],
        version=row["version"],
        root=row["root"],
        status=row["status"],
        error=row["error"],
        owner=owner,
        said=orjson.loads(row["said"]),
        headers=tuple(orjson.loads(row["headers"])),
        changed=row["changed"],
    )
