"""A FHIR server behind a mount: what the archive beside it says, found by FHIR and had by DICOMweb.

Once the server is another Hilum's FHIR (here the same one's, as nobody can tell), once Medplum,
which was given the same resources by us.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydicom import dcmread
from tests import fhir, peers
from tests.contract.made import uid
from tests.e2e.test_fhir import made, part10
from tests.medplum import Medplum, medplum

TOKEN = "a-token"  # noqa: S105 - of the Medplum beside


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Medplum]:
    with medplum(tmp_path_factory.mktemp("server"), token=TOKEN) as found:
        yield found


@pytest.fixture(scope="module")
def hilum(
    server: Medplum, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[peers.Hilum, httpx.Client]]:
    """A broker whose archive both servers know of."""
    folder, port = tmp_path_factory.mktemp("mount"), peers.free_port()
    own = f"http://{peers.HOST}:{port}"
    more = (
        f'[mounts.FAR]\nbackend = "fhir"\nurl = "{own}/aets/ARCHIVE/fhir"\n'
        f'[mounts.MED]\nbackend = "fhir"\nurl = "{server.url}"\nbearer = {{env = "MED"}}\n'
        f'retries = 1\nbackoff = "0.01s"\n[mounts.MED.endpoints]\nhosts = ["{own}"]\n'
        f'[mounts.SHUT]\nbackend = "fhir"\nurl = "{server.url}"\nbearer = {{env = "MED"}}\n'
        f'[mounts.LOCKED]\nbackend = "fhir"\nurl = "{server.url}"\n'
    )
    more += "".join(
        f'[mounts.{each}.fhir]\npatient_system = "urn:oid:1.2.3"\ntimezone = "Europe/Berlin"\n'
        for each in ("ARCHIVE", "FAR", "MED")
    )
    config = peers.configuration(peers={"TOOL": peers.free_port()}, more=more).replace(
        f'[http]\nbind = "{peers.HOST}"\nport = 0', f"[http]\nport = {port}"
    )
    files = folder / "files"
    files.mkdir()
    for number, each in enumerate(made()):
        (files / f"{number}.dcm").write_bytes(part10(each))
    with (
        peers.hilum(folder / "hilum", config, env={"MED": TOKEN}) as broker,
        httpx.Client(base_url=broker.root, timeout=60) as client,
    ):
        storescu = [peers.dcmtk("storescu"), "-aet", "TOOL", "-aec", "ARCHIVE", "+sd", peers.HOST]
        done = peers.run([*storescu, str(broker.port), files])
        assert done.returncode == 0, done.stdout
        include = "_include=ImagingStudy:patient&_include=ImagingStudy:endpoint"
        url = f"/aets/ARCHIVE/fhir/ImagingStudy?_summary=false&{include}"
        for mode in ("match", "include"):
            server.put(*fhir.matches(fhir.read(client.get(url)), mode))
        server.put(*fhir.matches(fhir.read(client.get("/aets/ARCHIVE/fhir/Endpoint"))))
        yield broker, client


@pytest.fixture
def client(hilum: tuple[peers.Hilum, httpx.Client]) -> httpx.Client:
    return hilum[1]


QUERIES = [
    "studies",
    "series",
    "instances",
    "studies?PatientID=P2",
    "studies?PatientName=M*",
    "studies?PatientName=doe%5Ej*",
    "studies?PatientName=*rg",
    "studies?PatientBirthDate=19700101",
    "studies?PatientBirthDate=19800101-",
    "studies?PatientSex=M",
    "studies?StudyDate=20260303",
    "studies?StudyDate=20260102-20260303",
    "studies?StudyDate=-20260102&StudyTime=1000-1030",
    "studies?StudyDate=20270101-",
    "studies?AccessionNumber=A2",
    "studies?AccessionNumber=A%3F",
    "studies?AccessionNumber=A1,A3",
    "studies?ModalitiesInStudy=MR",
    "studies?ModalitiesInStudy=SR&PatientID=P1",
    f"studies?StudyInstanceUID={uid(1)},{uid(3)}",
    "studies?NumberOfStudyRelatedInstances=3",
    "studies?fuzzymatching=true&PatientName=jane",
    "series?Modality=SR",
    f"series?SeriesInstanceUID={uid(1, 2)}",
    "series?BodyPartExamined=CHEST",
    f"studies/{uid(1)}/series?Modality=CT",
    f"studies/{uid(1)}/instances?InstanceNumber=2",
    f"studies/{uid(1)}/series/{uid(1, 1)}/instances",
    f"instances?SOPInstanceUID={uid(3, 1, 1)}",
    f"studies/{uid(9)}/series",
    "studies?limit=2&offset=1",
]


@pytest.mark.parametrize("mount", ["FAR", "MED"])
def test_the_same_is_found(client: httpx.Client, mount: str) -> None:
    for query in QUERIES:
        ours, theirs = (client.get(f"/aets/{each}/{query}") for each in (mount, "ARCHIVE"))
        assert (ours.status_code, theirs.status_code) == (200, 200), query
        assert "warning" not in ours.headers, query
        found, expected = (
            {_keys(each): each for each in answer.json()} for answer in (ours, theirs)
        )
        assert found.keys() == expected.keys(), query
        for key, each in found.items():
            for tag in KNOWN:
                assert each.get(tag) == expected[key].get(tag) or tag not in expected[key], tag
            modalities = (sorted(_values(e, "00080061")) for e in (each, expected[key]))
            assert len({*map(tuple, modalities)}) == 1, query


KNOWN = (
    *("00080050", "00080020", "00080030", "00100010", "00100020", "00100030", "00100040"),
    *("00080060", "00201206", "00201208", "0008103E", "00180015"),
)


def _keys(match: dict[str, dict[str, list[object]]]) -> str:
    return json.dumps([_values(match, tag) for tag in ("0020000D", "0020000E", "00080018")])


def _values(match: dict[str, dict[str, list[object]]], tag: str) -> list[object]:
    return match.get(tag, {}).get("Value", [])


@pytest.mark.parametrize("mount", ["FAR", "MED"])
def test_instances_frames_and_metadata_come_from_where_the_endpoint_leads(
    client: httpx.Client, mount: str
) -> None:
    series = f"studies/{uid(1)}/series/{uid(1, 1)}"
    one = f"{series}/instances/{uid(1, 1, 2)}"
    dicom = {"Accept": "application/dicom"}
    ours, theirs = (client.get(f"/aets/{each}/{one}", headers=dicom) for each in (mount, "ARCHIVE"))
    assert ours.status_code == 200
    assert ours.content == theirs.content
    for below in (f"studies/{uid(1)}/metadata", f"{series}/metadata"):
        found, expected = (
            {each["00080018"]["Value"][0] for each in client.get(f"/aets/{at}/{below}").json()}
            for at in (mount, "ARCHIVE")
        )
        assert found == expected
    frames = client.get(f"/aets/{mount}/{one}/frames/1")
    assert frames.status_code == 200
    assert bytes([1, 1, 2, 0, 1, 2, 3, 4]) in frames.content
    bulk = client.get(f"/aets/{mount}/{one}/bulkdata/7FE00010")
    assert bulk.status_code == 200
    assert client.get(f"/aets/{mount}/studies/{uid(9)}").status_code == 404
    assert client.get(f"/aets/{mount}/studies/{uid(9)}/metadata").status_code == 404


def test_over_dimse_it_is_found_and_had(
    hilum: tuple[peers.Hilum, httpx.Client], tmp_path: Path
) -> None:
    broker, _client = hilum
    place = ["-aet", "TOOL", "-aec", "MED", peers.HOST, str(broker.port)]
    for options, key, count in (
        (["-P"], "QueryRetrieveLevel=PATIENT", 2),
        (["-S"], "QueryRetrieveLevel=STUDY", 3),
    ):
        command = [peers.dcmtk("findscu"), *options, "-k", key, "-k", "PatientName=*"]
        done = peers.run([*command, "-k", "PatientID", "-k", "StudyInstanceUID", *place])
        assert done.returncode == 0, done.stdout
        assert done.stdout.count("(0010,0020)") == count, done.stdout
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid(1)}"]
    done = peers.run([peers.dcmtk("getscu"), "-S", "-od", tmp_path, *keys, *place])
    assert done.returncode == 0, done.stdout
    got = {dcmread(path).SOPInstanceUID for path in tmp_path.iterdir()}
    assert got == {uid(1, 1, 1), uid(1, 1, 2), uid(1, 2, 1)}


def test_its_own_fhir_is_there_too(client: httpx.Client) -> None:
    for mount in ("FAR", "MED"):
        bundle = fhir.read(client.get(f"/aets/{mount}/fhir/ImagingStudy?patient.identifier=P2"))
        assert sorted(fhir.ids(bundle)) == [uid(2), uid(3)]


def test_an_endpoint_that_leads_elsewhere_is_not_followed(client: httpx.Client) -> None:
    assert len(client.get("/aets/SHUT/studies").json()) == 3
    refused = client.get(f"/aets/SHUT/studies/{uid(1)}")
    assert refused.status_code == 502
    assert "leads to another server" in refused.text


def test_a_server_that_wants_a_token_is_told_of(client: httpx.Client) -> None:
    answer = client.get("/aets/LOCKED/studies")
    assert answer.status_code == 502
    assert "credentials" in answer.text


def test_a_server_that_is_down_is_told_of(client: httpx.Client, server: Medplum) -> None:
    with server.being("closed"):
        assert client.get("/aets/MED/studies").status_code in {502, 503, 504}


def test_nothing_is_stored_there(client: httpx.Client) -> None:
    stored = client.post(
        "/aets/MED/studies",
        content=part10(made()[0]),
        headers={"Content-Type": "application/dicom"},
    )
    assert stored.status_code in {405, 501}


SCT, DCM = "http://snomed.info/sct", "http://dicom.nema.org/resources/ontology/DCM"


SEARCHES = [
    "ImagingStudy",
    f"ImagingStudy?_id={uid(1)},{uid(3)}",
    f"ImagingStudy?identifier=urn:dicom:uid|urn:oid:{uid(2)}",
    f"ImagingStudy?identifier=urn:oid:{uid(2)}",
    "ImagingStudy?identifier=A1,A3",
    "ImagingStudy?identifier=nonesuch",
    "ImagingStudy?identifier=urn:dicom:uid|A1",
    "ImagingStudy?patient.identifier=P2",
    "ImagingStudy?patient.identifier=urn:oid:1.2.3|P2",
    "ImagingStudy?patient.identifier=urn:oid:9|P2",
    "ImagingStudy?patient:Patient.family=müll",
    "ImagingStudy?patient.given=jane",
    "ImagingStudy?patient.name=doe",
    "ImagingStudy?patient.birthdate=1970-01-01",
    "ImagingStudy?patient.birthdate=ge1985",
    "ImagingStudy?patient.gender=male",
    "ImagingStudy?started=2026-03-03",
    "ImagingStudy?started=2026-03",
    "ImagingStudy?started=ge2026-03-03",
    "ImagingStudy?started=gt2026-03-04",
    "ImagingStudy?started=lt2026-03-03",
    "ImagingStudy?started=sa2026-01-02",
    "ImagingStudy?started=eb2026-03-03",
    "ImagingStudy?started=ge2026-01-03&started=le2026-03-31",
    "ImagingStudy?started=ge2026-03-03T10:11:12%2B01:00",
    "ImagingStudy?modality=MR",
    f"ImagingStudy?modality={DCM}|MR",
    f"ImagingStudy?modality={DCM}|",
    "ImagingStudy?modality=http://other|MR",
    "ImagingStudy?modality=CT&modality=SR",
    "ImagingStudy?modality=SR,MR",
    "ImagingStudy?modality:not=MR",
    f"ImagingStudy?series={uid(1, 2)}",
    f"ImagingStudy?series={uid(9)}",
    f"ImagingStudy?instance={uid(1, 1, 2)}",
    "ImagingStudy?dicom-class=urn:oid:1.2.840.10008.5.1.4.1.1.2",
    "ImagingStudy?dicom-class=urn:ietf:rfc:3986|urn:oid:1.2.840.10008.5.1.4.1.1.4",
    "ImagingStudy?bodysite=816094009",
    f"ImagingStudy?bodysite={SCT}|816094009",
    "ImagingStudy?status=available",
    "ImagingStudy?status=cancelled",
    "ImagingStudy?endpoint=Endpoint/wado-rs",
    "ImagingStudy?endpoint=Endpoint/other",
    "ImagingStudy?patient:missing=false",
    "ImagingStudy?started:missing=true",
    "ImagingStudy?reason:missing=true",
    "Patient",
    "Patient?identifier=P1",
    "Patient?identifier=urn:oid:1.2.3|P1,urn:oid:1.2.3|P2",
    "Patient?name=jörg",
    "Patient?family=doe",
    "Patient?given=jane&family=doe",
    "Patient?family:contains=ülle",
    "Patient?birthdate=1985-12-31",
    "Patient?birthdate=lt1985-12-31",
    "Patient?birthdate=ap1970-01-01",
    "Patient?gender=female",
    "Patient?gender:not=female",
    "Patient?gender:missing=true",
    "Endpoint?connection-type=dicom-wado-rs",
    "Endpoint?status=active",
    "Endpoint?payload-type=any",
    "Endpoint?name=archive&connection-type=dicom-qido-rs",
    "Endpoint?organization:missing=true",
]


def test_another_server_finds_the_same_by_the_same_searches(
    client: httpx.Client, server: Medplum
) -> None:
    differing = []
    for search in SEARCHES:
        ours = fhir.read(client.get(f"/aets/ARCHIVE/fhir/{search}"))
        theirs = sorted(each["id"] for each in server.found(search))
        if fhir.matches(ours, "outcome") or sorted(fhir.ids(ours)) != theirs:
            differing.append((search, fhir.ids(ours), theirs))
    assert not differing
