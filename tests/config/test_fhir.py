import pytest

from hilum.config.fhir import MountFhir


@pytest.mark.parametrize(
    "said",
    [
        *({"patient_system": "MRN"}, {"accession_system": "a b"}, {"issuers": {"A": "x"}}),
        *({"timezone": "Nowhere/Else"}, {"timezone": "../../etc/passwd"}, {"timezone": ""}),
    ],
)
def test_what_is_no_uri_and_no_zone_is_refused(said: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="write it like"):
        MountFhir.model_validate(said)


def test_what_is_one_is_taken() -> None:
    said = {
        "patient_system": "urn:oid:1.2",
        "timezone": "UTC",
        "issuers": {"": "https://a.example"},
    }
    assert MountFhir.model_validate(said).timezone == "UTC"
