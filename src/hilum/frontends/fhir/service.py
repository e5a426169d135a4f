"""What is FHIR answered with? What the configuration says, and the ids of patients."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hilum.codec.fhir.values import Systems
from hilum.config.fhir import FhirSettings
from hilum.config.schema import Settings
from hilum.core.fhir.patients import PatientIds
from hilum.core.fhir.subscriptions import KeepsSubscriptions
from hilum.core.fhir.systems import systems
from hilum.core.queue import Queue


@dataclass(frozen=True, slots=True)
class Fhir:
    """What all requests share.

    Attributes:
        systems: by mount.
        subscriptions: who wants to be told of changes; None: nobody can.
        subscribed: the mounts whose changes can be subscribed to.
    """

    patients: PatientIds
    settings: FhirSettings = field(default_factory=FhirSettings)
    systems: Mapping[str, Systems] = field(default_factory=dict)
    subscriptions: "Subscribable | None" = None
    subscribed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Subscribable:
    """What keeps subscriptions, and the errands that are about them."""

    kept: KeepsSubscriptions
    queue: Queue


def fhir(
    settings: Settings, patients: PatientIds, subscriptions: Subscribable | None = None
) -> Fhir:
    """The same, of a configuration."""
    found = {name: systems(mount.fhir) for name, mount in settings.mounts.items()}
    return Fhir(patients, settings.fhir, found, subscriptions, frozenset(settings.subscribed))
