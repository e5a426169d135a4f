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
        dataset(1, 2, 1, Modality="SR", PerformingPhysicianName="Wilson^James"),
        dataset(2, 1, 1, Modality="MR", StudyDate="20260303", **second),
        dataset(3, 1, 1, PatientID="P2", Modality="MR", StudyDate="20260404", **second),
    ]


def part10(each: Any) -> bytes:
    meta = encode_meta(each.SOPClassUID, each.SOPInstanceUID, LITTLE)
    return meta + encoded(each)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A broker with an archive, and with what an Orthanc and the archive itself are from afar."""
    folder, port = tmp_path_factory.mktemp("fhir"), peers.free_port()
    with peers.orthanc(folder / "db") as orthanc:
        more = (
            f'[mounts.PACS]\nbackend = "dimse"\naet = "ORTHANC"\nhost = "{peers.HOST}"\n'
            f"port = {orthanc.port}\n"
            '[mounts.WEB]\nbackend = "dicomweb"\n'
            f'url = "http://{peers.HOST}:{port}/aets/ARCHIVE"\n'
            "[mounts.EMPTY]\n[mounts.SHORT]\ndelete = true\n"
        )
        fhir_ = (
            '[mounts.{}.fhir]\npatient_system = "urn:oid:1.2.3"\ntimezone = "Europe/Berlin"\n'
            'accession_system = "https://example.org/accession"\n'
        )
        more += "".join(fhir_.format(name) for name in ("ARCHIVE", "PACS", "WEB"))
        config = peers.configuration(more=more).replace(
            f'[http]\nbind = "{peers.HOST}"\nport = 0', f"[http]\nport = {port}"
        )
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


@pytest.fixture(params=["/aets/ARCHIVE/fhir", "/aets/PACS/fhir"])
def root(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_can_be_done_is_told(client: httpx.Client, root: str) -> None:
    said = read(client.get(f"{root}/metadata"))
    assert said["fhirVersion"] == "4.0.1"
    assert said["implementation"]["url"] == str(client.base_url).rstrip("/") + root
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
    assert first["bodySite"]["code"] == "816094009"
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
        ("bodysite=http://snomed.info/sct|816094009", [1]),
        (f"_id={uid(2)},{uid(3)}", [2, 3]),
        ("referrer.family=house", [1, 2, 3]),
        ("referrer.family=doe", []),
        ("performer.family=wils", [1]),
        ("performer.name=house", []),
        (f"series={uid(1, 2)}&bodysite=CHEST", [1]),
        (f"instance={uid(1, 1, 1)}&modality=MR", []),
        (f"series={uid(1, 1)},{uid(2, 1)}&started=2026-03-03", [2]),
        ("interpreter.name=x", []),
        ("identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|ACSN|A3", [3]),
        ("patient:identifier=P1", [1]),
        ("patient:missing=true", []),
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


def test_the_default_mount_has_a_root_of_its_own(client: httpx.Client) -> None:
    bundle = read(client.get("/fhir/ImagingStudy"))
    assert len(fhir.ids(bundle)) == 3
    assert fhir.link(bundle, "self") == f"{str(client.base_url).rstrip('/')}/fhir/ImagingStudy"
    assert read(client.get("/fhir/Endpoint/wado-rs"))["address"].endswith("/dicomweb")


@pytest.mark.parametrize("sort", ["", "&_sort=-started", "&_sort=started,_id"])
def test_pages_follow_each_other(client: httpx.Client, root: str, sort: str) -> None:
    url: str | None = f"{root}/ImagingStudy?_count=1&started=ge2026{sort}"
    found = []
    while url is not None:
        bundle = read(client.get(url))
        assert len(fhir.matches(bundle)) == 1
        assert read(client.get(str(fhir.link(bundle, "self"))))["entry"] == bundle["entry"]
        found += fhir.ids(bundle)
        url = fhir.link(bundle, "next")
    expected = [uid(1), uid(2), uid(3)]
    assert found == (expected[::-1] if "-started" in sort else expected)


def test_no_study_is_left_out_when_others_are_removed_between_pages(client: httpx.Client) -> None:
    root = "/aets/SHORT"
    for each in made():
        headers = {"Content-Type": "application/dicom"}
        client.post(f"{root}/studies", content=part10(each), headers=headers).raise_for_status()
    first = read(client.get(f"{root}/fhir/ImagingStudy?_count=2"))
    assert fhir.ids(first) == [uid(1), uid(2)]
    for removed, found in ((1, [uid(3)]), (2, [uid(3)])):
        client.delete(f"{root}/studies/{uid(removed)}").raise_for_status()
        second = read(client.get(str(fhir.link(first, "next"))))
        assert (fhir.ids(second), fhir.link(second, "next")) == (found, None)


@pytest.mark.parametrize("name", ["family", "-family", "birthdate", "-gender", "name"])
def test_patients_in_order(client: httpx.Client, root: str, name: str) -> None:
    first = read(client.get(f"{root}/Patient?_sort={name}&_count=1"))
    second = read(client.get(str(fhir.link(first, "next"))))
    assert fhir.link(second, "next") is None
    told = [each["identifier"][0]["value"] for each in fhir.matches(first) + fhir.matches(second)]
    assert told == (["P2", "P1"] if name.startswith("-") else ["P1", "P2"])


def test_how_many_there_are(client: httpx.Client, root: str) -> None:
    for query in ("_summary=count", "_count=0"):
        bundle = read(client.get(f"{root}/ImagingStudy?modality=MR&{query}"))
        assert (bundle["total"], bundle.get("entry")) == (2, None)
    bundle = read(client.get(f"{root}/ImagingStudy?_count=1&_total=accurate"))
    assert bundle["total"] == 3
    assert "total" not in read(client.get(f"{root}/ImagingStudy?_count=1&_total=none"))


def test_what_is_given_beside(client: httpx.Client, root: str) -> None:
    query = "modality=MR&_include=ImagingStudy:patient&_include=ImagingStudy:endpoint"
    bundle = read(client.get(f"{root}/ImagingStudy?{query}"))
    beside = fhir.matches(bundle, "include")
    patients = [each for each in beside if each["resourceType"] == "Patient"]
    assert [each["identifier"][0]["value"] for each in patients] == ["P2"]
    subjects = {each["subject"]["reference"] for each in fhir.matches(bundle)}
    assert subjects == {f"Patient/{patients[0]['id']}"}
    assert {each["id"] for each in beside} >= {"wado-rs", "qido-rs"}
    bundle = read(client.get(f"{root}/Patient?_revinclude=ImagingStudy:patient"))
    studies = [each["id"] for each in fhir.matches(bundle, "include")]
    assert sorted(studies) == [uid(1), uid(2), uid(3)]
    by_reference = read(
        client.get(f"{root}/ImagingStudy?{subjects.pop().replace('/', '=').lower()}")
    )
    assert sorted(fhir.ids(by_reference)) == [uid(2), uid(3)]


def test_as_much_as_is_wanted(client: httpx.Client, root: str) -> None:
    one = f"{root}/ImagingStudy?_id={uid(1)}"
    shown = fhir.matches(read(client.get(f"{one}&_elements=modality")))[0]
    assert shown.keys() - {"meta"} == {"resourceType", "id", "status", "subject", "modality"}
    assert [each["code"] for each in shown["meta"]["tag"]] == ["SUBSETTED"]
    whole = fhir.matches(read(client.get(f"{one}&_summary=false")))[0]
    assert [len(each["instance"]) for each in whole["series"]] == [2, 1]
    assert "tag" not in whole.get("meta", {})
    assert "series" not in fhir.matches(read(client.get(one)))[0]
    read_ = f"{root}/ImagingStudy/{uid(1)}"
    assert all("instance" not in e for e in read(client.get(f"{read_}?_summary=true"))["series"])
    assert "description" not in read(client.get(f"{read_}?_summary=text"))


def test_a_search_may_be_posted(client: httpx.Client, root: str) -> None:
    asked = client.post(f"{root}/ImagingStudy/_search?_count=1", data={"modality": "MR"})
    bundle = read(asked)
    assert fhir.ids(bundle) == [uid(2)]
    assert fhir.ids(read(client.get(str(fhir.link(bundle, "next"))))) == [uid(3)]
    assert len(fhir.ids(read(client.post(f"{root}/Patient/_search")))) == 2
    read(client.post(f"{root}/Patient/_search", json={"name": "x"}), 415)


def test_what_a_client_has_is_not_sent_again(client: httpx.Client, root: str) -> None:
    for path in ("metadata", "Endpoint/wado-rs", f"ImagingStudy/{uid(1)}"):
        tag = client.get(f"{root}/{path}").headers["ETag"]
        again = client.get(f"{root}/{path}", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(f"{root}/{path}", headers={"If-None-Match": '"x"'}).status_code == 200


def test_what_cannot_be_asked_is_told_or_refused(client: httpx.Client, root: str) -> None:
    url = f"{root}/ImagingStudy?nonesuch=1&modality=CT&_sort=modality"
    bundle = read(client.get(url))
    assert fhir.ids(bundle) == [uid(1)]
    said = [each["diagnostics"] for each in fhir.matches(bundle, "outcome")[0]["issue"]]
    assert len(said) == 2
    assert str(fhir.link(bundle, "self")).endswith("/ImagingStudy?modality=CT")
    assert read(client.get(url, headers={"Prefer": "handling=lenient"})) == bundle
    outcome = read(client.get(url, headers={"Prefer": 'respond-async, handling="strict"'}), 400)
    assert "nonesuch" in outcome["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/ImagingStudy/1.2.3", 404, "not-found"),
        ("GET", "/ImagingStudy/no-uid", 404, "not-found"),
        ("GET", "/Patient/1", 404, "not-found"),
        ("GET", "/Endpoint/other", 404, "not-found"),
        ("GET", "/Observation", 404, "not-found"),
        ("GET", "", 404, "not-found"),
        ("PUT", "/Patient/1", 405, "not-supported"),
        ("DELETE", "/ImagingStudy/1.2", 405, "not-supported"),
        ("GET", "/ImagingStudy?started=yesterday", 400, "invalid"),
        ("GET", "/ImagingStudy?modality:above=CT", 400, "invalid"),
        ("GET", "/ImagingStudy?_cursor=x", 400, "invalid"),
        ("GET", "/ImagingStudy?_cursor=k", 400, "invalid"),
        ("GET", "/ImagingStudy?_count=x", 400, "invalid"),
        ("GET", "/ImagingStudy?_format=xml", 406, "not-supported"),
    ],
)
def test_every_error_is_an_outcome(  # noqa: PLR0913, PLR0917 - one for each side of it
    client: httpx.Client, root: str, method: str, path: str, status: int, code: str
) -> None:
    outcome = read(client.request(method, root + path), status)
    assert outcome["resourceType"] == "OperationOutcome"
    assert outcome["issue"][0]["code"] == code


def test_forms_of_an_answer(client: httpx.Client) -> None:
    url = "/fhir/metadata"
    for accepted in ("application/json", "text/html, application/json;q=0.5"):
        answer = client.get(url, headers={"Accept": accepted})
        assert answer.headers["content-type"] == "application/json"
    right = {"Accept": "application/fhir+json; fhirVersion=4.0"}
    assert read(client.get(url, headers=right))
    for wrong in ("application/fhir+json; fhirVersion=5.0", "application/fhir+xml", "text/html"):
        read(client.get(url, headers={"Accept": wrong}), 406)
    html = {"Accept": "text/html"}
    assert read(client.get(f"{url}?_format=application/fhir%2Bjson&_pretty=true", headers=html))
    assert client.options("/fhir/Patient").json()["resourceType"] == "CapabilityStatement"
    assert client.head("/fhir/Patient").content == b""


def test_classes_of_studies_are_found(client: httpx.Client, root: str) -> None:
    url = f"{root}/ImagingStudy?dicom-class"
    ct, mr = ("urn:oid:1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4")
    assert sorted(fhir.ids(read(client.get(f"{url}={ct}")))) == [uid(1), uid(2), uid(3)]
    assert len(fhir.ids(read(client.get(f"{url}:not={mr}")))) == 3
    for nothing in (f"{url}={mr}", f"{url}:not={ct}", f"{url}:missing=true"):
        bundle = read(client.get(nothing))
        assert (bundle["total"], "entry" in bundle) == (0, False)
    read(client.get(f"{url}=CT"), 400)


def test_what_a_far_side_did_not_match_is_refused_strictly(client: httpx.Client) -> None:
    url = "/aets/PACS/fhir/ImagingStudy?encounter:identifier=V1"
    bundle = read(client.get(url))
    strict = client.get(url, headers={"Prefer": "handling=strict"})
    assert strict.status_code == (400 if fhir.matches(bundle, "outcome") else 200)


def test_an_origin_server_is_one_more_of_them(client: httpx.Client) -> None:
    root = "/aets/WEB/fhir"
    for query in ("", "modality=MR&_sort=-started", f"series={uid(1, 2)}", "patient.family=müll"):
        theirs, ours = (
            read(client.get(f"{each}/ImagingStudy?{query}")) for each in (root, "/fhir")
        )
        assert fhir.ids(theirs) == fhir.ids(ours)
        assert theirs["total"] == ours["total"]
    theirs, ours = (read(client.get(f"{e}/ImagingStudy/{uid(1)}")) for e in (root, "/fhir"))
    same = theirs.keys() - {"meta", "subject"}
    assert {name: theirs[name] for name in same} == {name: ours[name] for name in same}
    assert theirs["subject"]["reference"] != ours["subject"]["reference"]
    patient = read(client.get(f"{root}/{theirs['subject']['reference']}"))
    assert patient["identifier"][0]["value"] == "P1"


def test_an_unknown_mount_and_an_empty_one(client: httpx.Client) -> None:
    read(client.get("/aets/NONESUCH/fhir/Patient"), 404)
    for kind in ("Patient", "ImagingStudy"):
        bundle = read(client.get(f"/aets/EMPTY/fhir/{kind}"))
        assert (bundle["total"], "entry" in bundle) == (0, False)


def test_an_archive_knows_when_studies_were_changed(client: httpx.Client) -> None:
    url = "/fhir/ImagingStudy"
    found = fhir.matches(read(client.get(f"{url}?_sort=-_lastUpdated")))
    times = [each["meta"]["lastUpdated"] for each in found]
    assert times == sorted(times, reverse=True)
    one = read(client.get(f"{url}/{found[0]['id']}"))
    assert one["meta"]["lastUpdated"] == times[0]
    assert found[0]["id"] in fhir.ids(read(client.get(f"{url}?_lastUpdated=ge{times[0]}")))
    for asked, count in (("lt2020", 0), ("gt2020", 3), (f"lt{times[-1]}", 0), (f"gt{times[0]}", 0)):
        assert len(fhir.ids(read(client.get(f"{url}?_lastUpdated={asked}")))) == count
    strict = {"Prefer": "handling=strict"}
    read(client.get(f"/aets/PACS{url}?_lastUpdated=gt2020", headers=strict), 400)


def test_the_services_of_a_mount(client: httpx.Client) -> None:
    url = "/aets/PACS/fhir/Endpoint"
    assert fhir.ids(read(client.get(url))) == ["wado-rs", "qido-rs", "stow-rs"]
    queries = {
        "_id=wado-rs": ["wado-rs"],
        "connection-type=dicom-qido-rs": ["qido-rs"],
        "name=pacs&_sort=-name": ["wado-rs", "stow-rs", "qido-rs"],
        "status=off": [],
        "payload-type=any&organization:missing=true": ["wado-rs", "qido-rs", "stow-rs"],
    }
    for query, expected in queries.items():
        assert fhir.ids(read(client.get(f"{url}?{query}"))) == expected
    first = read(client.get(f"{url}?_count=2"))
    assert (fhir.ids(first), first["total"]) == (["wado-rs", "qido-rs"], 3)
    rest = read(client.get(str(fhir.link(first, "next"))))
    assert (fhir.ids(rest), fhir.link(rest, "next")) == (["stow-rs"], None)
