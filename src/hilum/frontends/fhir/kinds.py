"""Which types of resources are searched for, and at which level? What is made of the answers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b

from hilum.codec.fhir import imaging_study, patient
from hilum.codec.fhir.parameters import Offers
from hilum.codec.fhir.values import Attributes, Element, Systems, text
from hilum.core.fhir import of_endpoint, of_patient, of_study, of_subscription
from hilum.core.fhir.table import Row, Table, offers
from hilum.frontends.fhir.asked import About
from hilum.model.identity import Level
from hilum.model.query import Path

_PATIENTS = ("ImagingStudy:patient", "ImagingStudy:subject")


@dataclass(frozen=True, slots=True)
class Searched:
    """One type.

    Attributes:
        offers: what clients may ask.
        table: how that is answered.
        level: of the answers; None: they are not looked for, we know them.
        fields: what is asked for of each.
    """

    offers: Offers
    table: Table
    level: Level | None
    fields: frozenset[Path] = frozenset()

    @property
    def type(self) -> str:
        """Of the resources."""
        return self.offers.type


STUDIES = Searched(
    offers("ImagingStudy", of_study.TABLE, (*_PATIENTS, "ImagingStudy:endpoint")),
    of_study.TABLE,
    Level.STUDY,
    imaging_study.STUDY_FIELDS,
)
PATIENTS = Searched(
    offers("Patient", of_patient.TABLE, revinclude=_PATIENTS),
    of_patient.TABLE,
    Level.PATIENT,
    patient.FIELDS,
)
ENDPOINTS = Searched(offers("Endpoint", of_endpoint.TABLE), of_endpoint.TABLE, None)
SUBSCRIPTIONS = Searched(
    replace(offers("Subscription", of_subscription.TABLE), is_written=True),
    of_subscription.TABLE,
    None,
)


def offered(about: About, searched: Searched) -> Offers:
    """What can be asked of a type at a mount."""
    return offered_where(searched, changes=about.mount.changes is not None)


def offered_where(searched: Searched, *, changes: bool) -> Offers:
    """What can be asked of a type: of changes only where somebody knows them."""
    offers = searched.offers
    if changes or "_lastUpdated" not in offers.parameters:
        return offers
    known = {name: each for name, each in offers.parameters.items() if name != "_lastUpdated"}
    return replace(offers, parameters=known)


def study_maker(about: About) -> Callable[[Attributes, Systems], Element]:
    """Makes ImagingStudies of a mount, without what is below them."""
    references = study_endpoints(about)
    return lambda attributes, systems: imaging_study.imaging_study(attributes, systems, references)


def study_endpoints(about: About) -> list[str]:
    """Where a study of a mount can be had from."""
    return [f"Endpoint/{each['id']}" for each in about.endpoints() if each["id"] != "stow-rs"]


def maker(about: About, searched: Searched) -> Callable[[Attributes, Systems], Element]:
    """Makes resources of a type."""
    return study_maker(about) if searched is STUDIES else patient.patient


def place(searched: Searched, row: Row) -> str:
    """What tells answers apart, and they are in the order of; of patients nothing can be read."""
    if searched is STUDIES:
        return text(row.attributes, "0020000D")
    return blake2b("\0".join(row.key or ()).encode(), digest_size=16).hexdigest()
