"""What is FHIR answered with? What the configuration says, and the ids of patients."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hilum.codec.fhir.values import Systems
from hilum.config.fhir import FhirSettings
from hilum.config.schema import Settings
from hilum.core.fhir.patients import PatientIds
from hilum.core.fhir.systems import systems


@dataclass(frozen=True, slots=True)
class Fhir:
    """What all requests share.

    Attributes:
        systems: by mount.
    """

    patients: PatientIds
    settings: FhirSettings = field(default_factory=FhirSettings)
    systems: Mapping[str, Systems] = field(default_factory=dict)


def fhir(settings: Settings, patients: PatientIds) -> Fhir:
    """The same, of a configuration."""
    found = {name: systems(mount.fhir) for name, mount in settings.mounts.items()}
    return Fhir(patients, settings.fhir, found)
