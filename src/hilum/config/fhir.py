"""What can be configured of FHIR: how it is answered, and what identifiers of a mount mean."""

import re
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from hilum.config.kinds import RESTART, Certificates, Origins, Seconds, Section

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")


def _system(text: str) -> str:
    if not _URI.fullmatch(text):
        raise ValueError('not a URI; write it like "urn:oid:1.2.3" or "https://example.org/mrn"')
    return text


def _systems(systems: dict[str, str]) -> dict[str, str]:
    for each in systems.values():
        _system(each)
    return systems


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, OSError, ValueError):  # none of that name, or no name of one
        raise ValueError('not a time zone; write it like "Europe/Berlin"') from None
    return text


def _named(origins: tuple[str, ...]) -> tuple[str, ...]:
    if "*" in origins:
        raise ValueError("name each server; whoever subscribes must not choose what is asked")
    return origins


System = Annotated[str, AfterValidator(_system)]


class SubscriptionSettings(Section):
    """Who may be told of changes by Subscriptions (rest-hook), where a mount offers them."""

    allow: Annotated[Origins, AfterValidator(_named)] = ()
    """The servers that notifications may be sent to, such as `https://hooks.example.org`."""
    ca_file: Certificates | None = None
    """A file with the certificates (PEM) of the authorities that are believed for those servers;
    by default those of the system. Where it is set nobody else is."""
    timeout: Seconds = 30.0
    """How long they may be silent in answering."""
    max_age: Seconds = 24 * 3600.0
    """How long it is tried to send a notification. Then the subscription is in error, and says
    why; its owner makes it good and asks for it again."""
    most: Annotated[int, Field(ge=1)] = 100
    """The most subscriptions at one mount."""
    at_once: Annotated[int, Field(ge=1, le=64)] = 4
    """Notifications that are sent at the same time."""


class FhirSettings(Section):
    """FHIR R4, at `/aets/{aet}/fhir` and, for the default mount, `/fhir`; by the HTTP door."""

    reloads = True

    page: Annotated[int, Field(ge=1)] = 50
    """Resources in a page of an answer to who names no `_count`."""
    max_page: Annotated[int, Field(ge=1)] = 500
    """The most resources in a page, whatever `_count` says."""
    max_instances: Annotated[int, Field(ge=0)] = 1000
    """Studies with more instances are given without them, unless `_summary=false` asks for all."""
    max_answers: Annotated[int, Field(ge=1)] = 1000
    """The most answers of a system elsewhere that one search looks at. Where there may be more,
    the answer says so."""
    subscriptions: Annotated[SubscriptionSettings, RESTART] = SubscriptionSettings()


class MountFhir(Section):
    """What identifiers and times of a mount mean."""

    patient_system: System | None = None
    """The system of Patient IDs that have no issuer, a URI."""
    accession_system: System | None = None
    """The system of Accession Numbers that have no issuer, a URI."""
    issuers: Annotated[dict[str, str], AfterValidator(_systems)] = Field(default={})
    """Issuers, as they stand in DICOM, and the systems, URIs, that they are in FHIR."""
    stable_after: Annotated[Seconds, RESTART] = 30.0
    """How long a study must have been left alone before others are told that it changed."""
    subscriptions: Annotated[bool, RESTART] = False
    """Whether clients may subscribe to changes of an archive; see `fhir.subscriptions`."""
    poll: Annotated[Seconds | None, RESTART] = None
    """How often a system elsewhere is asked for its recent studies, to find out which of them are
    new or changed; then clients may subscribe to that. Not for an archive, which knows."""
    poll_days: Annotated[int, Field(ge=1), RESTART] = 7
    """How many days back the Study Dates go of the studies that are asked for then."""
    timezone: Annotated[str, AfterValidator(_zone)] | None = None
    """Where the clocks stand of data sets that do not say it, such as `Europe/Berlin`. Without it
    their times are left out, and dates are given alone."""
