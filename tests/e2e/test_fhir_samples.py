"""Every sample file as FHIR, held against what pydicom reads in it."""

import re
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from pydicom import Dataset
from pydicom.valuerep import PersonName
from tests import fhir, peers, samples
from tests.fhir import read

from hilum.codec.multipart import closing, part_head

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # of files that are not as they should
GENDERS = {"M": "male", "F": "female", "O": "other"}
GIVEN = {"ABC": "alphabetic", "IDE": "ideographic", "SYL": "phonetic"}


def headers() -> dict[str, list[Dataset]]:
    """What is in the files, by study."""
    found: dict[str, list[Dataset]] = defaultdict(list)
    for path in samples.GOOD:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
        found[str(dataset.StudyInstanceUID)].append(dataset)
    return found


STUDIES = headers()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    config = peers.configuration(archive='durability = "relaxed"')
    with (
        peers.hilum(tmp_path_factory.mktemp("samples"), config) as hilum,
        httpx.Client(base_url=hilum.root, timeout=120) as client,
    ):
        parts = [(part_head("b", {}, first=n == 0), p) for n, p in enumerate(samples.GOOD)]
        content = b"".join(head + Path(path).read_bytes() for head, path in parts) + closing("b")
        kind = 'multipart/related; type="application/dicom"; boundary=b'
        client.post("/dicomweb/studies", content=content, headers={"Content-Type": kind})
        yield client


@pytest.fixture(scope="module")
def studies(client: httpx.Client) -> dict[str, dict[str, Any]]:
    """All of them, as a search gives them."""
    bundle = read(client.get("/fhir/ImagingStudy?_count=500&_summary=false"))
    return {each["id"]: each for each in fhir.matches(bundle)}


def text(dataset: Dataset, keyword: str) -> str:
    """A value of VR text as the oracle has it."""
    value = dataset.get(keyword)
    first = value[0] if isinstance(value, pydicom.multival.MultiValue) and value else value
    return re.sub(r"[\x00-\x1f]", " ", str(first or "")).strip()


def test_every_study_is_there(studies: dict[str, dict[str, Any]]) -> None:
    assert studies.keys() == STUDIES.keys()


def test_what_is_below_a_study(studies: dict[str, dict[str, Any]]) -> None:
    for uid, resource in studies.items():
        found = {
            (series["uid"], instance["uid"], instance["sopClass"]["code"].removeprefix("urn:oid:"))
            for series in resource["series"]
            for instance in series["instance"]
        }
        assert found == {
            (str(each.SeriesInstanceUID), str(each.SOPInstanceUID), str(each.SOPClassUID))
            for each in STUDIES[uid]
        }
        assert resource["numberOfInstances"] == len(STUDIES[uid])
        assert resource["numberOfSeries"] == len({each.SeriesInstanceUID for each in STUDIES[uid]})
        modalities = {text(each, "Modality") for each in STUDIES[uid]} - {""}
        told = {each["code"] for each in resource.get("modality", ())}
        assert told <= modalities  # where a series has several, the first counts
        assert bool(told) is bool(modalities)
        for series in resource["series"]:
            members = [e for e in STUDIES[uid] if str(e.SeriesInstanceUID) == series["uid"]]
            parts = {text(each, "BodyPartExamined") for each in members} - {""}
            assert series.get("bodySite", {}).get("display", "") in parts or not parts
            assert series["numberOfInstances"] == len(members)


def date(value: str) -> str:
    digits = value.replace(".", "")
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}" if len(digits) == 8 else ""


def test_what_a_study_says_of_itself(studies: dict[str, dict[str, Any]]) -> None:
    for uid, resource in studies.items():
        said = {
            "started": {date(text(e, "StudyDate")) for e in STUDIES[uid]},
            "description": {text(each, "StudyDescription") for each in STUDIES[uid]},
            "accession": {text(each, "AccessionNumber") for each in STUDIES[uid]},
        }
        assert resource.get("started", "")[:10] in said["started"]
        assert resource.get("description", "") in said["description"]
        numbers = [each["value"] for each in resource["identifier"][1:]] or [""]
        assert {*numbers} <= said["accession"]
        zones = {text(each, "TimezoneOffsetFromUTC") for each in STUDIES[uid]}
        assert ("T" in resource.get("started", "")) <= (zones != {""})


def components(name: PersonName, group: str) -> list[str]:
    parts = str(getattr(name, group) or "").split("^")
    cleaned = [re.sub(r"[\x00-\x1f]", " ", each).strip() for each in parts[:5]]
    return cleaned + [""] * (5 - len(cleaned))


def names_of(ids: set[str], group: str) -> list[tuple[str, list[str], list[str], list[str]]]:
    """The names of all files with one of those Patient IDs."""
    found = []
    for each in (dataset for study in STUDIES.values() for dataset in study):
        if text(each, "PatientID") in ids and isinstance(each.get("PatientName"), PersonName):
            family, given, middle, prefix, suffix = components(each.PatientName, group)
            found.append((family, [*given.split(), *middle.split()], [prefix], [suffix]))
    return found


def test_patients(client: httpx.Client, studies: dict[str, dict[str, Any]]) -> None:
    bundle = read(client.get("/fhir/ImagingStudy?_count=500&_include=ImagingStudy:patient"))
    patients = {f"Patient/{e['id']}": e for e in fhir.matches(bundle, "include")}
    everybody = read(client.get("/fhir/Patient?_count=500"))
    assert {f"Patient/{each}" for each in fhir.ids(everybody)} == patients.keys()
    for uid, resource in studies.items():
        patient = patients[resource["subject"]["reference"]]
        ids = {text(each, "PatientID") for each in STUDIES[uid]}
        assert {e["value"] for e in patient.get("identifier", ())[:1]} <= ids
        same = [e for study in STUDIES.values() for e in study if text(e, "PatientID") in ids]
        sexes = {text(each, "PatientSex").upper() for each in same}
        assert patient.get("gender") in {GENDERS.get(e, "unknown") if e else None for e in sexes}
        for each in patient.get("name", ()):
            codes = [e["valueCode"] for e in each.get("extension", ())] or ["ABC"]
            told = (
                *(each.get("family", ""), each.get("given", [])),
                *(each.get("prefix", [""]), each.get("suffix", [""])),
            )
            assert told in names_of(ids, GIVEN[codes[0]])
        read(client.get(f"/fhir/{resource['subject']['reference']}"))
