"""What can be asked of a type of resource, and how DICOM is asked for it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TypeAlias

from hilum.codec.fhir.parameters import Condition, Offer, Offers
from hilum.codec.fhir.patient import patient
from hilum.codec.fhir.values import Attributes, Element, Systems
from hilum.core.fhir.holds import checked
from hilum.core.fhir.patients import PatientKey, key_of
from hilum.model.identity import Level
from hilum.model.query import Path

Keys: TypeAlias = Mapping[Path, str]
"""Matching keys in C-FIND notation, as in `model.query.Query.match`."""
Alternatives: TypeAlias = list[Keys] | None
"""Keys of which one set must match, no matter which. Empty: nothing can match. None: there are no
keys for that. What matches is still held against the condition, where the resource tells it."""


class Row:
    """One answer, and what is made of it when somebody asks for that.

    Args:
        attributes: in the DICOM JSON Model.
        systems: what the configuration says of identifiers and times.
        make: makes the resource of them, without references to patients.
        updated: when it was changed last (UTC), where that is known.
    """

    def __init__(
        self,
        attributes: Attributes,
        systems: Systems,
        make: Callable[[Attributes, Systems], Element],
        updated: datetime | None = None,
    ) -> None:
        self.attributes = attributes
        self.updated = updated
        self.systems = systems
        self._make = make

    @cached_property
    def resource(self) -> Element:
        """What it is in FHIR."""
        return self._make(self.attributes, self.systems)

    @cached_property
    def patient(self) -> Element:
        """The Patient whose it is, without its id."""
        return patient(self.attributes, self.systems)

    @cached_property
    def key(self) -> PatientKey | None:
        """Whose it is."""
        return key_of(self.attributes)


@dataclass(frozen=True, slots=True)
class Known:
    """What conditions refer to.

    Attributes:
        root: FHIR's root of the mount, without a slash at its end.
        patients: whose the ids are that the search names.
    """

    root: str
    patients: Mapping[str, PatientKey] = field(default_factory=dict)

    def local(self, reference: str, kind: str) -> str:
        """The id of a reference to something of ours: `1`, `Patient/1`, `http://…/Patient/1`."""
        return reference.removeprefix(self.root + "/").removeprefix(kind + "/")


Check: TypeAlias = Callable[[Row], bool]


@dataclass(frozen=True, slots=True)
class Answered:
    """How one parameter is answered.

    Attributes:
        check: makes of a condition what says whether an answer holds it; None: what is asked for
            is below the resource, and the keys alone decide.
        keys: what DICOM is asked.
        level: of what the keys are about, where that is below the resource.
        order: the values that answers are sorted by.
    """

    offer: Offer
    check: Callable[[Condition, Known], Check] | None
    keys: Callable[[Condition, Known], Alternatives]
    level: Level | None = None
    order: Callable[[Row], Iterable[object]] | None = None


Table: TypeAlias = Mapping[str, Answered]


def by(found: Callable[[Row], Iterable[object]]) -> Callable[[Condition, Known], Check]:
    """A check of the values that are found in an answer."""

    def check(condition: Condition, _known: Known) -> Check:
        holds = checked(condition)
        return lambda row: holds(found(row))

    return check


def unasked(_condition: Condition, _known: Known) -> Alternatives:
    """No keys: every answer is looked at."""
    return None


def offers(
    kind: str, table: Table, include: Iterable[str] = (), revinclude: Iterable[str] = ()
) -> Offers:
    """What of a table clients can ask for by name; what is chained stands in what it begins with.

    Args:
        kind: type of the resources.
        table: how they are answered.
        include: what can be given with them, which they refer to.
        revinclude: what can be given with them, which refers to them.
    """
    named = {name: each.offer for name, each in table.items() if "." not in name}
    return Offers(kind, named, frozenset(include), frozenset(revinclude))
