from datetime import timedelta

from hilum.config.fhir import MountFhir
from hilum.core.fhir.systems import systems


def test_what_is_configured_is_what_identifiers_and_times_mean() -> None:
    issuers = {"HOSP": "urn:oid:1.2"}
    made = systems(MountFhir(patient_system="urn:x", issuers=issuers, timezone="Etc/GMT-2"))
    assert (made.patient, made.accession, made.issuers) == ("urn:x", None, issuers)
    assert made.zone is not None
    assert made.zone.utcoffset(None) in {None, timedelta(hours=2)}
    assert systems(MountFhir()).zone is None
