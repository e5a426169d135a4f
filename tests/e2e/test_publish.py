"""Studies come to a FHIR server of somebody else, whatever dies or is down on the way."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests import fhir, peers
from tests.contract.made import dataset, encoded, uid
from tests.medplum import Medplum, medplum

from hilum.codec.multipart import closing, part_head
from hilum.codec.part10 import encode_meta

LITTLE = "1.2.840.10008.1.2.1"
PATIENCE = 180.0  # seconds
PATIENTS = 5
PUBLIC = "https://images.example.org/pacs"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Medplum]:
    with medplum(tmp_path_factory.mktemp("medplum"), token="s3cr3t") as found:  # noqa: S106
        yield found


@pytest.fixture(autouse=True)
def nothing(server: Medplum) -> None:
    server.becomes("up")
    server.forget()


def running(server: Medplum, folder: Path, workers: int = 1) -> AbstractContextManager[peers.Hilum]:
    config = peers.configuration(
        http=f'public_url = "{PUBLIC}"',
        archive="delete = true",
        more=(
            '[mounts.ARCHIVE.fhir]\npatient_system = "urn:oid:1.2.3"\nstable_after = "0.1 s"\n'
            f'[mounts.ARCHIVE.publish]\nurl = "{server.url}"\nbearer = {{ env = "TOKEN" }}\n'
        ),
    )
    config = config.replace("[server]\n", f"[server]\nworkers = {workers}\n")
    return peers.hilum(folder, config, env={"TOKEN": server.token})


def store(broker: peers.Hilum, *made: Any, by: httpx.Client | None = None) -> None:
    body = b""
    for index, each in enumerate(made):
        body += part_head("b", {"Content-Type": "application/dicom"}, first=not index)
        body += encode_meta(each.SOPClassUID, each.SOPInstanceUID, LITTLE) + encoded(each)
    kind = 'multipart/related; type="application/dicom"; boundary=b'
    url, headers = f"{broker.dicomweb}/studies", {"Content-Type": kind}
    post = httpx.post if by is None else by.post
    stored = post(url, content=body + closing("b"), headers=headers, timeout=120)
    assert stored.status_code == 200


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.2)


def study(server: Medplum, *parts: int) -> dict[str, Any]:
    """The one of that UID; empty where there is none."""
    found = server.found(f"ImagingStudy?identifier=urn:dicom:uid|urn:oid:{uid(*parts)}")
    assert len(found) <= 1
    return found[0] if found else {}


def pushes(server: Medplum, kind: str) -> list[int]:
    """Statuses of what was done to resources of a type."""
    asked = server.requests()
    return [e["status"] for e in asked if e["method"] != "GET" and f"/fhir/{kind}" in e["url"]]


def test_a_study_comes_is_kept_up_to_date_and_cancelled(server: Medplum, tmp_path: Path) -> None:
    with running(server, tmp_path) as broker:
        store(broker, dataset(1, 1, 1), dataset(1, 2, 1), dataset(2, 1, 1, PatientID=None))
        until(lambda: study(server, 1).get("numberOfInstances") == 2 and bool(study(server, 2)))
        made = fhir.valid(study(server, 1))
        assert made["status"] == "available"
        assert {each["uid"] for each in made["series"]} == {uid(1, 1), uid(1, 2)}
        assert made["series"][0]["instance"][0]["uid"] == uid(1, 1, 1)
        (patient,) = server.found("Patient?identifier=urn:oid:1.2.3|P1")
        assert made["subject"]["reference"] == f"Patient/{fhir.valid(patient)['id']}"
        assert patient["name"][0]["family"] == "Doe"
        endpoints = {
            f"Endpoint/{each['id']}": fhir.valid(each) for each in server.found("Endpoint")
        }
        assert {each["reference"] for each in made["endpoint"]} == {*endpoints}
        assert {each["address"] for each in endpoints.values()} == {f"{PUBLIC}/aets/ARCHIVE"}
        # Who has no Patient ID is known by an id of ours.
        lone = study(server, 2)["subject"]["reference"].removeprefix("Patient/")
        (unknown,) = [each for each in server.found("Patient") if each["id"] == lone]
        assert unknown["identifier"][0]["value"].startswith("urn:uuid:")

        store(broker, dataset(1, 1, 2))
        until(lambda: study(server, 1)["numberOfInstances"] == 3)
        assert study(server, 1)["id"] == made["id"]
        assert pushes(server, "Patient") == [201, 201]  # neither has changed
        assert pushes(server, "Endpoint") == [201, 201]

        gone = httpx.delete(f"{broker.dicomweb}/studies/{uid(1)}", timeout=60)
        assert gone.status_code == 204
        until(lambda: study(server, 1)["status"] == "cancelled")
        left = fhir.valid(study(server, 1))
        assert "endpoint" not in left
        assert left["id"] == made["id"]

        store(broker, dataset(1, 1, 1))
        until(lambda: study(server, 1)["status"] == "available")
        assert study(server, 1)["id"] == made["id"]
    assert server.token not in broker.said


def come(server: Medplum, count: int) -> bool:
    found = server.found(f"ImagingStudy?_count={count + 9}")
    return len(found) == count and all(each["numberOfInstances"] == 2 for each in found)


def none_twice(server: Medplum, count: int) -> None:
    """Each study and each patient is there once; what was pushed again was the same."""
    studies = server.found(f"ImagingStudy?_count={count + 9}")
    patients = server.found(f"Patient?_count={count + 9}")
    assert {each["identifier"][0]["value"] for each in studies} == {
        f"urn:oid:{uid(number)}" for number in range(1, count + 1)
    }
    assert (len(studies), len(patients)) == (count, PATIENTS)
    assert len({each["subject"]["reference"] for each in studies}) == PATIENTS
    assert len(server.found("Endpoint")) == 2


def two_each(numbers: Sequence[int]) -> list[Any]:
    return [
        dataset(number, 1, each, PatientID=f"P{number % PATIENTS}")
        for number in numbers
        for each in (1, 2)
    ]


def test_all_come_from_one_that_is_killed_again_and_again(server: Medplum, tmp_path: Path) -> None:
    count, strokes = 36, 3
    each = count // strokes
    for stroke in range(strokes):
        with running(server, tmp_path) as broker:
            numbers = range(stroke * each + 1, (stroke + 1) * each + 1)
            store(broker, *two_each(numbers))
            seen = len(pushes(server, "ImagingStudy"))
            until(lambda seen=seen: len(pushes(server, "ImagingStudy")) > seen + 2)  # type: ignore[misc]
            broker.kill()
    with running(server, tmp_path):
        until(lambda: come(server, count))
        until(lambda: len(pushes(server, "ImagingStudy")) >= count)
    none_twice(server, count)


def test_all_come_to_a_server_that_is_down_half_of_the_time(
    server: Medplum, tmp_path: Path
) -> None:
    count, turns = 60, ("closed", "losing", "refusing", "closed")
    each = count // len(turns)
    with running(server, tmp_path, workers=2) as broker:
        for turn, state in enumerate(turns):
            server.becomes(state)  # type: ignore[arg-type]
            store(broker, *two_each(range(turn * each + 1, (turn + 1) * each + 1)))
            time.sleep(0.5)
            server.becomes("up")
            seen = len(pushes(server, "ImagingStudy"))
            until(lambda seen=seen: len(pushes(server, "ImagingStudy")) > seen + 2)  # type: ignore[misc]
        until(lambda: sum(each < 300 for each in pushes(server, "ImagingStudy")) >= count)
        until(lambda: come(server, count))
    none_twice(server, count)
