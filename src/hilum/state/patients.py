"""How the ids of FHIR's Patients are kept: random, so that nothing can be read from them."""

import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Final

import sqlalchemy as sa

from hilum.core.fhir.patients import PatientKey
from hilum.state.schema import PATIENT
from hilum.state.thread import done

_ID: Final = 16  # random bytes
_REMEMBERED: Final = 10_000  # patients
_AT_ONCE: Final = 200  # patients in one statement

_Known = tuple[str, PatientKey]  # mount and patient


class Patients:
    """Implements `core.fhir.patients.PatientIds`.

    Args:
        engine: of the state's database, which writes.
        reading: one that does not, and waits for nobody.
        thread: the one thread in which all of it is done.
    """

    def __init__(self, engine: sa.Engine, reading: sa.Engine, thread: Executor) -> None:
        self._engine = engine
        self._reading = reading
        self._thread = thread
        self._remembered: OrderedDict[_Known, str] = OrderedDict()

    async def ids(self, mount: str, patients: Sequence[PatientKey], /) -> Mapping[PatientKey, str]:
        """See `core.fhir.patients.PatientIds`."""
        found: dict[PatientKey, str] = {}
        for each in patients:
            known = self._remembered.get((mount, each))
            if known is not None:
                self._remembered.move_to_end((mount, each))
                found[each] = known
        missing = [*dict.fromkeys(each for each in patients if each not in found)]
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            kept = await done(self._thread, lambda some=some: self._kept(mount, some))  # type: ignore[misc] # mypy cannot infer it
            found |= kept
            self._remember(mount, kept)
        return found

    async def patients(self, mount: str, ids: Sequence[str], /) -> Mapping[str, PatientKey]:
        """See `core.fhir.patients.PatientIds`."""
        found: dict[str, PatientKey] = {}
        for start in range(0, len(ids), _AT_ONCE):
            some = [*ids[start : start + _AT_ONCE]]
            found |= await done(self._thread, lambda some=some: self._whose(mount, some))  # type: ignore[misc] # as above
        return found

    def _remember(self, mount: str, kept: Mapping[PatientKey, str]) -> None:
        for key, name in kept.items():
            self._remembered[mount, key] = name
        while len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)

    def _kept(self, mount: str, patients: Sequence[PatientKey]) -> dict[PatientKey, str]:
        with self._reading.begin() as session:
            found = _found(session, mount, patients)
        new = [each for each in patients if each not in found]
        if not new:
            return found
        rows = [{"id": secrets.token_hex(_ID), "mount": mount, **each._asdict()} for each in new]
        with self._engine.begin() as session:
            # Another process may have been here first: its ids stay.
            session.execute(PATIENT.insert().prefix_with("OR IGNORE"), rows)
            return found | _found(session, mount, new)

    def _whose(self, mount: str, ids: Sequence[str]) -> dict[str, PatientKey]:
        query = sa.select(PATIENT).where(PATIENT.c.mount == mount, PATIENT.c.id.in_(ids))
        with self._reading.begin() as session:
            return {row["id"]: _key(row) for row in session.execute(query).mappings()}


def _found(
    session: sa.Connection, mount: str, patients: Iterable[PatientKey]
) -> dict[PatientKey, str]:
    wanted = sa.tuple_(PATIENT.c.patient_id, PATIENT.c.issuer, PATIENT.c.study)
    query = sa.select(PATIENT).where(PATIENT.c.mount == mount, wanted.in_([*map(tuple, patients)]))
    return {_key(row): row["id"] for row in session.execute(query).mappings()}


def _key(row: sa.RowMapping) -> PatientKey:
    return PatientKey(row["patient_id"], row["issuer"], row["study"])
