from pathlib import Path

import pytest
from tests.explaining.told import settings

from hilum.codec.by_hand import asked
from hilum.explaining.request import Request, of_keys, of_line
from hilum.model.errors import BadRequest
from hilum.model.identity import Level, Ref


def read(folder: Path, line: str) -> Request:
    return of_line(line, settings(folder))


def test_a_search_is_read_as_the_broker_reads_it(tmp_path: Path) -> None:
    found = read(tmp_path, "GET https://h:8080/hilum/aets/PACS/studies/1.2/series?Modality=CT,MR")
    assert (found.mount, found.operation, found.ref) == ("PACS", "find", Ref("1.2"))
    assert found.query is not None
    assert found.query.level is Level.SERIES
    assert found.query.match == {(0x0020_000D,): "1.2", (0x0008_0060,): "CT\\MR"}
    assert found.query.limit == 1000
    assert read(tmp_path, "/dicomweb/studies?limit=3").query.limit == 3  # type: ignore[union-attr]  # a search


def test_a_send_names_where_to(tmp_path: Path) -> None:
    line = "POST /aets/PACS/studies/send-requests/1.9?destination=VIEWER&PatientID=7"
    found = read(tmp_path, line)
    assert (found.operation, found.destination) == ("send", "VIEWER")
    assert found.query is not None
    assert found.query.match == {(0x0010_0020,): "7"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("GET /aets/PCAS/studies", "no mount has the AE title PCAS; did you mean PACS"),
        ("GET /aets/HILUM/studies/x", "the study in the path is no UID"),
        ("GET /aets/XXXXXX", "no mount has the AE title XXXXXX"),
        ("GET /studies", "begin with /aets/AET or /dicomweb"),
        ("GET /fhir/Condition", "no such resource"),
        ("GET http://[x/aets", "no URL"),
        ("GET /aets/PACS/frames", "no such resource"),
        ("PUT /aets/PACS/studies", "PUT is not allowed there"),
        ("BREW /aets/PACS/studies", "BREW is no method"),
        ("GET /aets/PACS/studies?PatentName=A", "did you mean PatientName"),
        ("POST /aets/PACS/studies/send-requests/1.9", "names its destination"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        read(tmp_path, line)


def test_no_default_mount_is_said(tmp_path: Path) -> None:
    told = settings(tmp_path, "[mounts.A]\n")
    with pytest.raises(BadRequest, match="no default mount"):
        of_line("GET /dicomweb/studies", told)
    with pytest.raises(BadRequest, match="no default mount"):
        of_keys(asked(["PatientID=7"], default=Level.STUDY), None, told, relational=False)


def test_keys_are_read_as_the_broker_reads_an_identifier(tmp_path: Path) -> None:
    told = settings(tmp_path)
    what = asked(["PatientName=A*", "StudyDate"], default=Level.STUDY)
    found = of_keys(what, "HILUM", told, relational=False)
    assert (found.mount, found.operation) == ("PACS", "find")
    assert found.query is not None
    assert found.query.match == {(0x0010_0010,): "A*"}
    assert found.query.include == {(0x0008_0020,)}
    series = asked(["Modality=CT"], Level.SERIES)
    with pytest.raises(BadRequest, match="StudyInstanceUID is needed at SERIES level"):
        of_keys(series, "PACS", told, relational=False)
    assert of_keys(series, "PACS", told, relational=True).query is not None
