from pathlib import Path

import pytest
from tests.cli.explained.told import settings

from hilum.cli.explained.request import METHODS, Request, of_keys, of_line
from hilum.cli.scu.asked import Depth, asked
from hilum.cli.scu.ending import Misuse
from hilum.frontends.dicomweb.resources import OF_A_MOUNT
from hilum.model.identity import Level, Ref

UIDS = {"study": "1.2", "series": "1.3", "instance": "1.4", "job": "7", "transaction": "1.9"}


@pytest.mark.parametrize("resource", OF_A_MOUNT, ids=lambda each: each.path)
def test_every_resource_of_a_mount_is_known_with_its_methods(
    tmp_path: Path, resource: object
) -> None:
    path, methods = resource.path, resource.methods  # type: ignore[attr-defined]  # a Resource
    path = path.replace("{path:path}", "00880200/0/7FE00010")
    for name, value in UIDS.items():
        path = path.replace(f"{{{name}}}", value)
    for method in METHODS:
        line = f"{method} /aets/ARCHIVE{path}?destination=PACS&PatientID=7"
        if "send-requests" not in path or method != "POST":
            line = line.partition("?")[0]
        if method in methods or (method == "HEAD" and "GET" in methods):
            assert of_line(line, settings(tmp_path)).mount == "ARCHIVE"
        else:
            with pytest.raises(Misuse, match="not allowed"):
                of_line(line, settings(tmp_path))


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
        ("GET /studies", "begins with /aets/AET or /dicomweb"),
        ("GET /aets/PACS/frames", "no such resource"),
        ("PUT /aets/PACS/studies", "PUT is no method"),
        ("GET /aets/PACS/studies?PatentName=A", "did you mean PatientName"),
        ("POST /aets/PACS/studies/send-requests/1.9", "names its destination"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(Misuse, match=says):
        read(tmp_path, line)


def test_no_default_mount_is_said(tmp_path: Path) -> None:
    told = settings(tmp_path, "[mounts.A]\n")
    with pytest.raises(Misuse, match="no default mount"):
        of_line("GET /dicomweb/studies", told)
    with pytest.raises(Misuse, match="no default mount"):
        of_keys(asked(["PatientID=7"], None, None, Level.STUDY), None, told, relational=False)


def test_keys_are_read_as_the_broker_reads_an_identifier(tmp_path: Path) -> None:
    told = settings(tmp_path)
    what = asked(["PatientName=A*", "StudyDate"], None, None, Level.STUDY)
    found = of_keys(what, "HILUM", told, relational=False)
    assert (found.mount, found.operation) == ("PACS", "find")
    assert found.query is not None
    assert found.query.match == {(0x0010_0010,): "A*"}
    assert found.query.include == {(0x0008_0020,)}
    series = asked(["Modality=CT"], Depth.series, None, Level.STUDY)
    with pytest.raises(Misuse, match="StudyInstanceUID is needed at SERIES level"):
        of_keys(series, "PACS", told, relational=False)
    assert of_keys(series, "PACS", told, relational=True).query is not None
