from zoneinfo import ZoneInfo

from hilum.codec.fhir.values import Systems
from hilum.config.fhir import MountFhir
from hilum.core.fhir.systems import systems


def test_all_that_is_configured_is_used() -> None:
    said = MountFhir(
        patient_system="urn:oid:1.2",
        accession_system="urn:oid:1.3",
        issuers={"A": "urn:oid:1.4"},
        timezone="Europe/Berlin",
    )
    zone = ZoneInfo("Europe/Berlin")
    assert systems(said) == Systems({"A": "urn:oid:1.4"}, "urn:oid:1.2", "urn:oid:1.3", zone)
    assert systems(MountFhir()) == Systems()
