"""How the rows of the index change."""

import sqlite3
import time
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any, Final, cast

import orjson
import sqlalchemy as sa

from hilum.backends.archive import record
from hilum.backends.archive.deflated import (
    Dictionaries,
    as_dictionary,
    deflate,
    dictionary_of,
    inflate,
)
from hilum.backends.archive.locate import locate
from hilum.backends.archive.readers import Cursor
from hilum.backends.archive.record import Entry
from hilum.backends.archive.transactions import Transactions
from hilum.codec import dicom_json
from hilum.core.changes import Change
from hilum.model.identity import Ref

SWEPT: Final = "swept"
"""Name of the mark that says from which day on files may have lost their rows."""
UNSWEPT: Final = "unswept"
"""Name of the mark that says that a process has died, while others went on: what it left is not
looked at before the next start, so `SWEPT` stays where it is."""

PUBLISHED: Final = "published"
"""Name of the mark that says to which FHIR server all studies were to be brought so far."""

ROOM: Final = 4 * 1024 * 1024  # bytes that the rows of series take which are remembered
_EACH = 1024  # bytes of them, besides a dictionary


@dataclass(frozen=True, slots=True)
class Row:
    """What the index says of an instance's file.

    Attributes:
        file: its number, which is also the row's id.
    """

    file: int
    size: int
    crc: int
    transfer_syntax_uid: str

    def alike(self, entry: Entry) -> bool:
        """Whether `entry` may have the same data set: only its bytes can say more.

        A data set of odd length is not one by PS3.5 §7.1; on its way over DIMSE it gets a NUL.
        """
        if self.transfer_syntax_uid != entry.transfer_syntax_uid:
            return False
        if self.size == entry.size:
            return self.crc == entry.crc
        return self.size + self.size % 2 == entry.size + entry.size % 2


@dataclass(frozen=True, slots=True)
class _Above:
    """The rows above an instance, and whose study it is: what `record.patient_key` gives."""

    series: int
    study: int
    patient: int
    owner: tuple[str, str, str] = ("", "", "")
    dictionary: bytes = b""


class Index(Transactions):
    """The rows of one archive, to be written within transactions that the caller begins.

    Args:
        engine: of its database.
        tells: whether anybody wants to know which studies change.
    """

    def __init__(self, engine: sa.Engine, *, tells: bool = False) -> None:
        super().__init__(engine)
        self.dictionaries = Dictionaries()
        self._tells = tells
        self._changed: set[str] = set()  # studies, in this transaction
        self._known: dict[tuple[str, str], _Above] = {}
        self._size = 0  # bytes of them

    # Transactions

    def begin(self) -> None:
        """Begin a transaction that may write."""
        self._changed.clear()
        super().begin()

    def commit(self) -> None:
        """Make what was done visible, and that it was done: once for each study."""
        at = time.time_ns()
        for uid in self._changed:
            self._run("tell", {"uid": uid, "at": at})
        super().commit()

    def tell_all(self) -> None:
        """Have every study told."""
        self._run("tell_all", {"at": time.time_ns()})

    def settle(self, changes: Iterable[Change]) -> None:
        """Forget changes of which everybody was told."""
        for each in changes:
            self._run("settle", {"uid": each.study, "at": each.at})

    # Marks

    def recall(self, name: str) -> str:
        """What was remembered under a name, or ""."""
        found = self._one("recall", {"uid": name})
        return str(found[0]) if found else ""

    def remember(self, name: str, value: str) -> None:
        """Remember a value under a name."""
        self._run("remember", {"name": name, "value": value})

    def forget(self, name: str) -> None:
        """Remember nothing under a name."""
        self._run("forget", {"uid": name})

    # Instances

    def _forget(self) -> None:
        """Forget the rows of series that are remembered."""
        self._known.clear()
        self._size = 0

    def find(self, sop_instance_uid: str) -> Row | None:
        """The row of an instance."""
        found = self._one("find", {"uid": sop_instance_uid})
        return None if found is None else Row(*found)

    def sizes(self, low: int, high: int) -> dict[int, int]:
        """Files from number `low` to below `high`, and the lengths of their data sets."""
        self._run("sizes", {"low": low, "high": high})
        return dict(self._cursor.fetchall())

    def newest(self) -> int:
        """The highest number of a file that has a row, or 0."""
        return int(self._must("newest", {})[0] or 0)

    def add(self, entry: Entry) -> bool:
        """Write the row of an instance, and those above it that are missing.

        Returns:
            Whether it was written; not when there is a row with its SOP Instance UID.
        """
        key = entry.study_instance_uid, entry.series_instance_uid
        above = self._known.get(key)
        is_first = False
        if above is None:
            if self._one("find", {"uid": entry.sop_instance_uid}):
                return False
            above, is_first = self._above(entry)
            self._size += len(above.dictionary) + _EACH
            if self._size > ROOM:
                self._forget()
                self._size = len(above.dictionary) + _EACH
            self._known[key] = above
        columns = {
            "id": entry.file,
            "series": above.series,
            "sop_instance_uid": entry.sop_instance_uid,
            "sop_class_uid": entry.sop_class_uid,
            "transfer_syntax_uid": entry.transfer_syntax_uid,
            "size": entry.size,
            "crc": entry.crc,
            **entry.columns,
        }
        self._run("add_instance", columns)
        if not self._cursor.rowcount:
            return False
        if self._tells:
            self._changed.add(entry.study_instance_uid)
        self._describe(above, entry)
        if not is_first:
            self._count(above, series=0, instances=1, first=entry.file)
        return True

    def is_astray(self, entry: Entry) -> bool:
        """Whether an instance that was just added names another patient than its study has."""
        above = self._known[entry.study_instance_uid, entry.series_instance_uid]
        return record.patient_key(entry.attributes) != above.owner

    def _describe(self, above: _Above, entry: Entry) -> None:
        """Write the metadata of an instance, with the dictionary of the series as it is now."""
        json, shared = entry.json, entry.dictionary != b""
        if shared and entry.dictionary != above.dictionary:
            json, shared = deflate(entry.plain), False
        columns = {"instance": entry.file, "shared": int(shared), "json": json}
        self._run("add_description", columns)

    def drop(self, instance: int) -> None:
        """Take the row of an instance away, and those above it that are empty then.

        The attributes of a study and a series are those of their oldest instance; if that was
        this one, the next takes its place.
        """
        self._drop([instance])

    def doom(self, ref: Ref) -> list[int]:
        """Take all rows at and below `ref` away; the files, which are remembered as doomed."""
        cursor = Cursor(cast("sqlite3.Cursor", self._cursor))
        files = [each.file for each in locate(cursor, ref)]
        for file in files:
            self._run("doom", {"file": file})
        self._drop(files)
        return files

    def doomed(self) -> list[int]:
        """The files whose rows were taken away so, and that may still be there."""
        self._run("doomed", {})
        return [row[0] for row in self._cursor.fetchall()]

    def bury(self, files: Iterable[int]) -> None:
        """Forget files that were doomed, as they are gone."""
        for file in files:
            self._run("bury", {"row": file})

    def _drop(self, instances: Iterable[int]) -> None:
        self._forget()
        gone: dict[tuple[int, int, int], set[int]] = {}
        for instance in instances:
            found = self._one("above", {"row": instance})
            if found is not None:
                self._run("drop_description", {"row": instance})
                self._run("drop_instance", {"row": instance})
                gone.setdefault((found[0], found[1], found[2]), set()).add(instance)
        below: dict[int, tuple[_Above, set[int]]] = {}
        for rows, numbers in gone.items():
            above = _Above(*rows)
            self._count(above, series=0, instances=-len(numbers))
            self._settle_series(above, numbers)
            below.setdefault(above.study, (above, set()))[1].update(numbers)
        for above, numbers in below.values():
            if self._tells:
                self._changed.add(self._must("study_uid", {"row": above.study})[0])
            self._settle_study(above, numbers)

    # What is above them

    def _above(self, entry: Entry) -> tuple[_Above, bool]:
        """The rows above an instance, and whether they were made for it and count it already."""
        found = self._one("find_study", {"uid": entry.study_instance_uid})
        if found is None:
            return self._with_study(entry)
        study, patient, modalities, patient_id, issuer, lone = found
        owner = patient_id, issuer, lone
        found = self._one("find_series", {"study": study, "uid": entry.series_instance_uid})
        if found is not None:
            series, dictionary = found[0], dictionary_of(found[1])
            return self._known_above(
                entry, _Above(series, study, patient, owner, dictionary)
            ), False
        columns = record.series_columns(entry.attributes)
        series, dictionary = self._make_series(entry, study, columns)
        above = _Above(series, study, patient, owner, dictionary)
        changes = {"d_series": 1, "d_instances": 1, "first": entry.file}
        self._run("count_study", {"row": study, **changes})
        listed = orjson.loads(modalities)
        if columns["modality"] is not None and columns["modality"] not in listed:
            self._set_modalities(study, [*listed, columns["modality"]])
        return self._known_above(entry, above), True

    def _with_study(self, entry: Entry) -> tuple[_Above, bool]:
        """The same for the first instance of a study."""
        owner = record.patient_key(entry.attributes)
        patient = self._make_patient(owner)
        its_series = record.series_columns(entry.attributes)
        modality = its_series["modality"]
        columns = record.study_columns(entry.attributes)
        columns |= {
            "patient": patient,
            "study_instance_uid": entry.study_instance_uid,
            "first_instance": entry.file,
            "modalities": orjson.dumps([] if modality is None else [modality]),
            "n_series": 1,
            "n_instances": 1,
        }
        study = self._run("add_study", columns)
        self._run("first_study", {"row": patient, "d_study": study})
        series, dictionary = self._make_series(entry, study, its_series)
        return self._known_above(entry, _Above(series, study, patient, owner, dictionary)), True

    def _make_series(self, entry: Entry, study: int, columns: dict[str, Any]) -> tuple[int, bytes]:
        """A row for the first instance of a series, and its dictionary."""
        columns |= {
            "study": study,
            "series_instance_uid": entry.series_instance_uid,
            "first_instance": entry.file,
            "n_instances": 1,
        }
        series = self._run("add_series", columns)
        dictionary = as_dictionary(entry.plain)
        if dictionary:
            deflated = deflate(dictionary) if entry.dictionary else entry.json
            self._run("add_dictionary", {"series": series, "json": deflated})
        return series, dictionary

    def _known_above(self, entry: Entry, above: _Above) -> _Above:
        """Make the dictionary known to those who come after."""
        key = entry.study_instance_uid, entry.series_instance_uid
        self.dictionaries.put(*key, above.dictionary)
        return above

    def _make_patient(self, owner: tuple[str, str, str]) -> int:
        patient_id, issuer, lone = owner
        key = {"patient_id": patient_id, "issuer": issuer, "lone": lone}
        found = self._one("find_patient", key)
        return found[0] if found else self._run("add_patient", key)

    def _count(
        self, above: _Above, *, series: int, instances: int, first: int | None = None
    ) -> None:
        """Add to the counts above; `first` is the first instance where there was none."""
        changes = {"d_series": series, "d_instances": instances, "first": first}
        if instances:
            self._run("count_series", {"row": above.series, **changes})
        self._run("count_study", {"row": above.study, **changes})

    def _list_modalities(self, study: int) -> None:
        self._run("modalities", {"study": study})
        self._set_modalities(study, [row[0] for row in self._cursor.fetchall()])

    def _set_modalities(self, study: int, found: list[str]) -> None:
        self._run("set_modalities", {"row": study, "modalities": orjson.dumps(sorted(found))})

    def _settle_series(self, above: _Above, gone: Container[int]) -> None:
        """Drop a series that is empty now, or give it the attributes of its next instance."""
        count, first = self._must("series_state", {"row": above.series})
        if not count:
            self._run("drop_dictionary", {"row": above.series})
            self._run("drop_series", {"row": above.series})
            self._count(above, series=-1, instances=0)
            self._list_modalities(above.study)
        elif first in gone:
            oldest, attributes = self._oldest("oldest_in_series", above.series)
            columns = record.series_columns(attributes)
            self._run("change_series", {"row": above.series, "first_instance": oldest, **columns})
            self._list_modalities(above.study)

    def _settle_study(self, above: _Above, gone: Container[int]) -> None:
        """Drop a study that is empty now, or give it the attributes of its next instance."""
        instances, first = self._must("study_state", {"row": above.study})
        if not instances:
            self._run("drop_study", {"row": above.study})
            self._leave(above.patient, above.study)
        elif first in gone:
            oldest, attributes = self._oldest("oldest_in_study", above.study)
            columns = record.study_columns(attributes)
            patient = self._make_patient(record.patient_key(attributes))
            self._run(
                "change_study",
                {"row": above.study, "patient": patient, "first_instance": oldest, **columns},
            )
            if patient != above.patient:
                self._run("first_study", {"row": patient, "d_study": above.study})
                self._leave(above.patient, above.study)

    def _leave(self, patient: int, study: int) -> None:
        """Drop a patient whose last study went, or give it the attributes of its next one."""
        studies, first = self._must("patient_state", {"row": patient})
        if not studies:
            self._run("drop_patient", {"row": patient})
        elif first == study:
            self._run("next_study", {"row": patient})

    def _oldest(self, statement: str, row: int) -> tuple[int, record.Attributes]:
        """The first instance below a row, and its metadata."""
        instance, json, dictionary = self._must(statement, {"row": row})
        return instance, dicom_json.loads(inflate(json, dictionary_of(dictionary)))
