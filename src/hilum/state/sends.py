"""How the Sends that run in the background are kept in the state's database."""

from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Any

import orjson
import sqlalchemy as sa

from hilum.core.operations import Send
from hilum.core.transactions import Transaction
from hilum.model.errors import InUse
from hilum.model.identity import Ref
from hilum.model.principal import Principal, Proof
from hilum.model.sending import Failure, Sending, State
from hilum.state.schema import SEND
from hilum.state.thread import done

_UNFINISHED = [state.value for state in State if not state.is_final]
_FINAL = [state.value for state in State if state.is_final]


class Sends:
    """Implements `core.transactions.SendRecords`.

    Args:
        engine: of the state's database, which writes.
        thread: the one thread in which all of it is done, in the order of the calls.
    """

    def __init__(self, engine: sa.Engine, thread: Executor) -> None:
        self._engine = engine
        self._thread = thread

    async def add(self, transaction: Transaction, /) -> None:
        """See `core.transactions.SendRecords`."""
        await done(self._thread, lambda: self._add(transaction))

    async def get(self, uid: str, /) -> Transaction | None:
        """See `core.transactions.SendRecords`."""
        found = await done(self._thread, lambda: self._select(SEND.c.transaction_uid == uid))
        return found[0] if found else None

    async def update(self, transaction: Transaction, /) -> None:
        """See `core.transactions.SendRecords`."""
        await done(self._thread, lambda: self._update(transaction))

    async def unfinished(self) -> Sequence[Transaction]:
        """See `core.transactions.SendRecords`."""
        return await done(self._thread, lambda: self._select(SEND.c.state.in_(_UNFINISHED)))

    async def forget(self, before: float, most: int, /) -> None:
        """See `core.transactions.SendRecords`."""
        await done(self._thread, lambda: self._forget(before, most))

    def _add(self, transaction: Transaction) -> None:
        try:
            with self._engine.begin() as session:
                session.execute(SEND.insert().values(_row(transaction)))
        except sa.exc.IntegrityError as error:
            raise InUse("a Send has this Transaction UID") from error

    def _update(self, transaction: Transaction) -> None:
        row = _row(transaction)
        changed = SEND.update().where(SEND.c.transaction_uid == transaction.uid).values(row)
        with self._engine.begin() as session:
            session.execute(changed)

    def _select(self, condition: sa.ColumnElement[bool]) -> list[Transaction]:
        query = sa.select(SEND).where(condition).order_by(SEND.c.asked, sa.text("rowid"))
        with self._engine.begin() as session:
            return [_transaction(row) for row in session.execute(query).mappings()]

    def _forget(self, before: float, most: int) -> None:
        ended = SEND.c.state.in_(_FINAL)
        last = sa.select(SEND.c.changed).where(ended).order_by(SEND.c.changed.desc())
        with self._engine.begin() as session:
            oldest = session.execute(last.offset(most).limit(1)).scalar()
            limit = before if oldest is None else max(before, oldest)
            session.execute(SEND.delete().where(ended, SEND.c.changed <= limit))


def _row(transaction: Transaction) -> dict[str, Any]:
    operation, sending = transaction.operation, transaction.sending
    refs = [[ref.patient, ref.study, ref.series, ref.instance] for ref in operation.refs]
    failures = [
        [each.sop_instance_uid, each.sop_class_uid, each.reason, each.comment]
        for each in sending.failures
    ]
    return {
        "transaction_uid": transaction.uid,
        "mount": operation.mount,
        "destination": operation.destination,
        "principal": operation.who.name,
        "request_id": operation.request_id,
        "resource": transaction.resource,
        "refs": orjson.dumps(refs).decode(),
        "state": sending.state.value,
        "remaining": sending.remaining,
        "completed": sending.completed,
        "failed": sending.failed,
        "warning": sending.warning,
        "failures": orjson.dumps(failures).decode(),
        "comment": sending.comment,
        "asked": transaction.asked,
        "changed": transaction.changed,
    }


def _transaction(row: sa.RowMapping) -> Transaction:
    refs = tuple(
        Ref(patient=patient, study=study, series=series, instance=instance)
        for patient, study, series, instance in orjson.loads(row["refs"])
    )
    failures = tuple(
        Failure(sop_instance_uid=uid, sop_class_uid=kind, reason=reason, comment=comment)
        for uid, kind, reason, comment in orjson.loads(row["failures"])
    )
    return Transaction(
        uid=row["transaction_uid"],
        operation=Send(
            mount=row["mount"],
            who=Principal(row["principal"], Proof.ADMITTED),
            request_id=row["request_id"],
            refs=refs,
            destination=row["destination"],
        ),
        resource=row["resource"],
        sending=Sending(
            state=State(row["state"]),
            remaining=row["remaining"],
            completed=row["completed"],
            failed=row["failed"],
            warning=row["warning"],
            failures=failures,
            comment=row["comment"],
        ),
        asked=row["asked"],
        changed=row["changed"],
    )
