"""What do identifiers and times of a mount mean in FHIR? As its configuration says."""

from zoneinfo import ZoneInfo

from hilum.codec.fhir.values import Systems
from hilum.config.fhir import MountFhir


def systems(said: MountFhir) -> Systems:
    """The same, as resources are made with it."""
    return Systems(
        issuers=said.issuers,
        patient=said.patient_system,
        accession=said.accession_system,
        zone=None if said.timezone is None else ZoneInfo(said.timezone),
    )
