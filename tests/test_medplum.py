"""The FHIR server of somebody else that other tests are held against does what they need."""

from collections.abc import Iterator

import httpx
import pytest
from tests.medplum import Medplum, medplum

PATIENT = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:x", "value": "1"}],
    "name": [{"family": "Doe", "given": ["Jane"]}],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Medplum]:
    with medplum(tmp_path_factory.mktemp("medplum"), token="secret") as found:  # noqa: S106
        yield found


@pytest.fixture(autouse=True)
def nothing(server: Medplum) -> None:
    server.forget()


def test_a_conditional_update_creates_once_and_then_changes(server: Medplum) -> None:
    statuses = [server.ask("PUT", "Patient?identifier=urn:x|1", PATIENT) for _ in range(2)]
    assert [each.status_code for each in statuses] == [201, 200]
    (kept,) = server.found("Patient?name=doe")
    assert statuses[0].headers["Location"] == f"{server.url}/Patient/{kept['id']}"
    changed = {**kept, "gender": "female"}
    old, new = (
        server.ask("PUT", f"Patient/{kept['id']}", changed, {"If-Match": each.headers["ETag"]})
        for each in statuses
    )
    assert (old.status_code, new.status_code) == (412, 200)
    assert server.found("Patient?gender=female")


def test_a_transaction_is_taken_as_a_whole(server: Medplum) -> None:
    study = {
        "resourceType": "ImagingStudy",
        "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2"}],
        "status": "available",
        "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-000000000001"},
    }
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001",
                "resource": PATIENT,
                "request": {"method": "PUT", "url": "Patient?identifier=urn:x|1"},
            },
            {
                "resource": study,
                "request": {
                    "method": "PUT",
                    "url": "ImagingStudy?identifier=urn:dicom:uid|urn:oid:1.2",
                },
            },
        ],
    }
    for _ in range(2):
        answer = server.ask("POST", "", bundle)
        assert answer.status_code == 200, answer.text
    (patient,) = server.found("Patient?identifier=urn:x|1")
    (kept,) = server.found("ImagingStudy?patient.identifier=urn:x|1")
    assert kept["subject"]["reference"] == f"Patient/{patient['id']}"


def test_only_what_r4_allows_is_taken(server: Medplum) -> None:
    answer = server.ask("POST", "Patient", {**PATIENT, "nonesuch": 1})
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")
    assert httpx.get(f"{server.url}/Patient").status_code == 401
    wrong = server.ask("GET", "Patient", headers={"Authorization": "Bearer other"})
    assert wrong.status_code == 403


def test_it_fails_when_it_shall(server: Medplum) -> None:
    server.put({**PATIENT, "id": "one"})
    with server.being("refusing"):
        assert server.ask("GET", "Patient/one").status_code == 503
    with server.being("closed"), pytest.raises(httpx.ConnectError):
        server.ask("GET", "Patient/one")
    with server.being("losing"), pytest.raises(httpx.RemoteProtocolError):
        server.ask("PUT", "Patient/two", {**PATIENT, "id": "two"})
    assert sorted(each["id"] for each in server.found("Patient")) == ["one", "two"]
    said = [(each["method"], each["status"]) for each in server.requests()]
    assert said == [("PUT", 200), ("GET", 503), ("PUT", 200), ("GET", 200)]
