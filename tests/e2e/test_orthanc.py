"""Orthanc as a PACS peer: it stores, asks and moves here; we store, ask and move there."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from tests import peers, samples


def _chosen() -> list[Path]:
    """Studies of several series; where those files are not here, any that name a patient."""
    multi = [path for path in samples.GOOD if path.name.startswith(("77654033", "98892"))]
    named = (path for path in samples.GOOD if pydicom.dcmread(path).get("PatientID"))
    return multi or list(itertools.islice(named, 8))


MULTI = _chosen()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[peers.Hilum, peers.Orthanc]]:
    """A broker and an Orthanc that know each other."""
    port = peers.free_port()
    with peers.orthanc(
        tmp_path_factory.mktemp("orthanc") / "db", modalities={"hilum": ("HILUM", port)}
    ) as orthanc:
        config = peers.configuration(peers={"ORTHANC": orthanc.port}).replace(
            "port = 0", f"port = {port}", 1
        )
        with peers.hilum(tmp_path_factory.mktemp("hilum"), config) as broker:
            yield broker, orthanc


@pytest.fixture
def filled(pair: tuple[peers.Hilum, peers.Orthanc]) -> tuple[peers.Hilum, peers.Orthanc]:
    """Orthanc holds the studies and has sent them to the broker."""
    broker, orthanc = pair
    for path in MULTI:
        orthanc.ask("/instances", path.read_bytes())
    ids = orthanc.ask("/instances")
    assert len(ids) == len(MULTI)
    done = orthanc.ask("/modalities/hilum/store", {"Resources": ids, "Synchronous": True})
    assert done["FailedInstancesCount"] == 0
    assert done["InstancesCount"] == len(MULTI)
    return broker, orthanc


def headers() -> list[pydicom.Dataset]:
    """Those of the files that were sent."""
    return [pydicom.dcmread(path, stop_before_pixels=True) for path in MULTI]


def test_it_echoes(pair: tuple[peers.Hilum, peers.Orthanc]) -> None:
    _, orthanc = pair
    assert orthanc.ask("/modalities/hilum/echo", {}) == {}


def test_what_it_stored_here_it_finds_here(filled: tuple[peers.Hilum, peers.Orthanc]) -> None:
    _, orthanc = filled
    studies = {str(header.StudyInstanceUID) for header in headers()}
    for level, key in (("Study", "StudyInstanceUID"), ("Patient", "PatientID")):
        asked = {"Level": level, "Query": {key: ""}}
        query = orthanc.ask("/modalities/hilum/query", asked)["ID"]
        answers = orthanc.ask(f"/queries/{query}/answers?expand&simplify")
        wanted = studies if level == "Study" else {str(each.PatientID) for each in headers()}
        assert {answer[key] for answer in answers} == wanted


def test_it_moves_a_study_from_here_to_itself(filled: tuple[peers.Hilum, peers.Orthanc]) -> None:
    _, orthanc = filled
    study = str(headers()[0].StudyInstanceUID)
    wanted = sum(str(each.StudyInstanceUID) == study for each in headers())
    for each in orthanc.ask("/studies"):
        if orthanc.ask(f"/studies/{each}")["MainDicomTags"]["StudyInstanceUID"] == study:
            orthanc.delete(f"/studies/{each}")
    before = orthanc.counts()[1]
    asked = {"Level": "Study", "Query": {"StudyInstanceUID": study}}
    query = orthanc.ask("/modalities/hilum/query", asked)["ID"]
    orthanc.ask(f"/queries/{query}/answers/0/retrieve", {"TargetAet": "ORTHANC"})
    assert orthanc.counts()[1] == before + wanted


def test_the_command_line_walks_it(
    filled: tuple[peers.Hilum, peers.Orthanc], tmp_path: Path
) -> None:
    _, orthanc = filled
    where = [f"{peers.HOST}:{orthanc.port}", "--aet", "ORTHANC"]
    study = str(headers()[0].StudyInstanceUID)
    wanted = {str(each.SOPInstanceUID) for each in headers() if each.StudyInstanceUID == study}
    key = ["-k", f"StudyInstanceUID={study}"]
    for arguments in (
        ["echo", *where],
        ["store", *where, *MULTI],
        ["find", *where, "--level", "study", *key, "-k", "PatientID"],
        ["get", *where, "--level", "study", *key, "-o", tmp_path],
    ):
        done = peers.command(*arguments)
        assert done.returncode == 0, done.stdout
    received = [pydicom.dcmread(path, force=True) for path in tmp_path.rglob("*") if path.is_file()]
    assert {str(each.SOPInstanceUID) for each in received} == wanted


def test_it_moves_to_us_when_we_ask(filled: tuple[peers.Hilum, peers.Orthanc]) -> None:
    _, orthanc = filled
    study = str(headers()[-1].StudyInstanceUID)
    wanted = sum(str(each.StudyInstanceUID) == study for each in headers())
    done = peers.command(
        "move", f"{peers.HOST}:{orthanc.port}", "--aet", "ORTHANC", "--destination", "HILUM",
        "--level", "study", "-k", f"StudyInstanceUID={study}", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["completed"] == wanted
