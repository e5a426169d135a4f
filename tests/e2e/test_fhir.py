"""FHIR over an archive and, live, over a PACS: the same answers, as a user starts the program."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests import fhir, peers
from tests.contract.made import dataset, encoded, uid
from tests.fhir import read

from hilum.codec.part10 import encode_meta

LITTLE = "1.2.840.10008.1.2.1"


def made() -> list[Any]:
    """Three studies of two patients."""
    second = {"PatientName": "Müller^Jörg", "PatientSex": "M", "PatientBirthDate": "19851231"}
    return [
        dataset(1, 1, 1, BodyPartExamined="CHEST", SeriesDescription="Lung"),
        dataset(1, 1, 2, BodyPartExamined="CHEST", SeriesDescription="Lung"),
        dataset(1, 2, 1, Modality="SR"),
        dataset(2, 1, 1, Modality="MR", StudyDate="20260303", **second),
        dataset(3, 1, 1, PatientID="P2", Modality="MR", StudyDate="20260404", **second),
    ]


def part10(each: Any) -> bytes:
    meta = encode_meta(each.SOPClassUID, each.SOPInstanceUID, LITTLE)
    return meta + encoded(each)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("fhir")
    with peers.orthanc(folder / "db") as orthanc:
        more = (
            f'[mounts.PACS]\nbackend = "dimse"\naet = "ORTHANC"\nhost = "{peers.HOST}"\n'
            f"port = {orthanc.port}\n"
        )
        fhir_ = (
            '[mounts.{}.fhir]\npatient_system = "urn:oid:1.2.3"\ntimezone = "Europe/Berlin"\n'
            'accession_system = "https://example.org/accession"\n'
        )
        more += "".join(fhir_.format(name) for name in ("ARCHIVE", "PACS"))
        config = peers.configuration(peers={"ORTHANC": orthanc.port}, more=more)
        with (
            peers.hilum(folder / "hilum", config) as hilum,
            httpx.Client(base_url=hilum.root, timeout=60) as client,
        ):
            for each in made():
                orthanc.ask("/instances", part10(each))
                stored = client.post(
                    "/aets/ARCHIVE/studies",
                    content=part10(each),
                    headers={"Content-Type": "application/dicom"},
                )
                assert stored.status_code == 200
            yield client


@pytest.fixture(params=["/aets/ARCHIVE/fhir", "/aets/PACS/fhir", "/fhir"])
def root(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_can_be_done_is_told(client: httpx.Client, root: str) -> None:
    said = read(client.get(f"{root}/metadata"))
    assert said["fhirVersion"] == "4.0.1"
    assert said["implementation"]["url"] == f"{client.base_url}{root}".replace("//f", "/f")
    types = {each["type"] for each in said["rest"][0]["resource"]}
    assert types == {"Patient", "ImagingStudy", "Endpoint"}


def test_a_study_is_read_with_all_that_is_below_it(client: httpx.Client, root: str) -> None:
    study = read(client.get(f"{root}/ImagingStudy/{uid(1)}"))
    assert study["identifier"][0] == {"system": "urn:dicom:uid", "value": f"urn:oid:{uid(1)}"}
    assert study["identifier"][1]["type"]["coding"][0]["code"] == "ACSN"
    assert study["identifier"][1]["system"] == "https://example.org/accession"
    assert study["started"] == "2026-01-02T10:11:12+01:00"
    assert {each["code"] for each in study["modality"]} == {"CT", "SR"}
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (2, 3)
    assert [len(each["instance"]) for each in study["series"]] == [2, 1]
    first = study["series"][0]
    assert first["bodySite"]["code"] == "51185008"
    assert first["instance"][0]["sopClass"]["code"].startswith("urn:oid:1.2.840")
    patient = read(client.get(f"{root}/{study['subject']['reference']}"))
    assert patient["identifier"][0]["value"] == "P1"
    assert patient["identifier"][0]["system"] == "urn:oid:1.2.3"
    assert patient["name"] == [{"text": "Jane Doe", "family": "Doe", "given": ["Jane"]}]
    assert (patient["gender"], patient["birthDate"]) == ("female", "1970-01-01")
    endpoint = read(client.get(f"{root}/{study['endpoint'][0]['reference']}"))
    assert endpoint["connectionType"]["code"] == "dicom-wado-rs"
    assert client.get(f"{endpoint['address']}/studies/{uid(1)}").status_code == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [1, 2, 3]),
        ("patient.identifier=urn:oid:1.2.3|P2", [2, 3]),
        ("patient.identifier=P2", [2, 3]),
        ("patient.identifier=urn:oid:9|P2", []),
        ("patient:Patient.family=müll", [2, 3]),
        ("subject.given=jörg", [2, 3]),
        (f"identifier=urn:dicom:uid|urn:oid:{uid(3)}", [3]),
        ("identifier=A2,A3", [2, 3]),
        ("identifier=https://example.org/accession|A1", [1]),
        (f"identifier=A2,urn:oid:{uid(1)}", [1, 2]),
        ("basedon:identifier=A1", [1]),
        ("modality=MR", [2, 3]),
        ("modality:not=MR", [1]),
        ("modality=http://dicom.nema.org/resources/ontology/DCM|ct", [1]),
        ("modality=CT,MR", [1, 2, 3]),
        ("modality=SR&modality=CT", [1]),
        ("started=2026-03-03", [2]),
        ("started=ge2026-03", [2, 3]),
        ("started=ge2026-02&started=lt2026-04", [2]),
        ("started=2026", [1, 2, 3]),
        ("started=ne2026-03-03", [1, 3]),
        ("started=sa2026-03-03", [3]),
        ("started=eb2026-03-03", [1]),
        ("started=gt2026-03-03T10:11:12%2B01:00", [3]),
        ("started=2026-01-02T09:11:12Z", [1]),
        (f"series={uid(1, 2)}", [1]),
        (f"instance=urn:oid:{uid(2, 1, 1)}", [2]),
        (f"series={uid(9)}", []),
        ("bodysite=51185008", [1]),
        ("bodysite=http://snomed.info/sct|51185008", [1]),
        (f"_id={uid(2)},{uid(3)}", [2, 3]),
        ("referrer.family=house", [1, 2, 3]),
        ("referrer.family=doe", []),
        ("status=available", [1, 2, 3]),
        ("status=cancelled", []),
        ("endpoint=Endpoint/wado-rs", [1, 2, 3]),
        ("endpoint=Endpoint/other", []),
        ("basedon=ServiceRequest/1", []),
        ("patient=Patient/unknown", []),
    ],
)
def test_studies_are_found(client: httpx.Client, root: str, query: str, found: list[int]) -> None:
    bundle = read(client.get(f"{root}/ImagingStudy?{query}"))
    assert sorted(fhir.ids(bundle)) == [uid(each) for each in found]
    assert bundle["total"] == len(found)
    assert not fhir.matches(bundle, "outcome")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["P1", "P2"]),
        ("identifier=P1", ["P1"]),
        ("identifier=urn:oid:1.2.3|P1", ["P1"]),
        ("name=jan", ["P1"]),
        ("family:exact=Doe", ["P1"]),
        ("family:exact=doe", []),
        ("given:contains=ör", ["P2"]),
        ("birthdate=1970-01-01", ["P1"]),
        ("birthdate=gt1980", ["P2"]),
        ("gender=male", ["P2"]),
        ("gender:not=male", ["P1"]),
        ("gender:missing=true", []),
    ],
)
def test_patients_are_found(client: httpx.Client, root: str, query: str, found: list[str]) -> None:
    bundle = read(client.get(f"{root}/Patient?{query}"))
    told = [each["identifier"][0]["value"] for each in fhir.matches(bundle)]
    assert sorted(told) == found
