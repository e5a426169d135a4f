import json
from pathlib import Path
from typing import Any

from tests.explaining.told import CONFIG
from typer.testing import CliRunner

from hilum.cli.main import app


def explain(folder: Path, *arguments: str) -> tuple[int, str, str]:
    path = folder / "config.toml"
    path.write_text(CONFIG)
    done = CliRunner().invoke(app, ["explain", "--config", str(path), *arguments])
    return done.exit_code, done.stdout, done.stderr


def as_json(folder: Path, *arguments: str) -> Any:
    code, out, _ = explain(folder, "--json", *arguments)
    assert code == 0
    return json.loads(out)


def test_a_request_line_is_explained(tmp_path: Path) -> None:
    code, out, err = explain(tmp_path, "GET /aets/PACS/studies?PatientName=A*&limit=5")
    assert (code, err) == (0, "")
    assert "mount PACS (dimse: ORTHANC at pacs.example.org:4242)" in out
    assert "(0010,0010) PatientName = A*" in out
    assert "answers that contradict this are dropped: PatientName = A*" in out
    assert "at most 5 matches" in out


def test_a_c_find_is_explained(tmp_path: Path) -> None:
    found = as_json(
        tmp_path,
        "--mount",
        "CLOUD",
        "--level",
        "series",
        "-k",
        "StudyInstanceUID=1.2",
        "-k",
        "Modality=CT",
    )
    assert (found["mount"], found["operation"]) == ("CLOUD", "find")
    (way,) = found["ways"]
    ((line,),) = way["steps"][0]["sends"]
    assert line.startswith("GET https://cloud.example.org/dicom-web/studies/1.2/series?00080060=CT")


def test_a_c_find_goes_to_the_default_mount(tmp_path: Path) -> None:
    assert as_json(tmp_path, "-k", "PatientID=7")["mount"] == "PACS"


def sent(folder: Path, line: str) -> str:
    """The first question."""
    return str(as_json(folder, line)["ways"][0]["steps"][0]["sends"][0][0])


def test_what_is_sent_asks_for_one_more_than_is_given(tmp_path: Path) -> None:
    root = "GET https://cloud.example.org/dicom-web/studies?00100020=7"
    line = "/aets/CLOUD/studies?PatientID=7"
    assert sent(tmp_path, f"GET {line}") == f"{root}&limit=1001"
    assert sent(tmp_path, f"GET {line}&limit=5&offset=2") == f"{root}&limit=8"


def test_a_send_shows_the_search_as_it_is_sent(tmp_path: Path) -> None:
    root, to = "https://cloud.example.org/dicom-web", "send-requests/1.9?destination=ARCHIVE"
    line = f"POST /aets/CLOUD/studies/{to}&PatientID=7"
    assert sent(tmp_path, line) == f"GET {root}/studies?00100020=7&limit=5000"  # the first page
    line = f"POST /aets/CLOUD/studies/1.2/series/{to}"
    assert sent(tmp_path, line) == f"GET {root}/studies/1.2/series?limit=1"


def test_what_is_asked_again_is_told(tmp_path: Path) -> None:
    way, *_ = as_json(tmp_path, "GET /aets/CLOUD/studies?PatientName=M\u00fcller*")["ways"]
    assert "again for PatientName = M*ller*" in way["notes"][-1]
    way, *_ = as_json(tmp_path, "GET /aets/CLOUD/studies?PatientName=M*")["ways"]
    assert way["notes"] == []


def test_a_send_by_other_keys_shows_the_search_before_it(tmp_path: Path) -> None:
    line = "POST /aets/PACS/studies/send-requests/1.9?destination=ARCHIVE&PatientID=7"
    search, send = as_json(tmp_path, line)["ways"]
    assert search["steps"][0]["level"] == "STUDY"
    assert send["notes"] == ["retrieved, and stored at the mount ARCHIVE"]
    assert send["steps"] == []


def test_what_would_be_refused_ends_with_2(tmp_path: Path) -> None:
    code, out, err = explain(tmp_path, "GET /aets/PCAS/studies")
    assert (code, out) == (2, "")
    assert "did you mean PACS?" in err
    assert explain(tmp_path, "--level", "series")[0] == 2
    send = "POST /aets/PACS/studies/send-requests/1.9?destination=VIEWER"
    assert "choose what to send" in explain(tmp_path, send)[2]
    assert "limit has no meaning" in explain(tmp_path, f"{send}&PatientID=7&limit=1")[2]
    assert explain(tmp_path)[0] == 2
    assert explain(tmp_path, "GET /aets/PACS/studies", "-k", "PatientID")[0] == 2
    code, out, _ = explain(tmp_path, "--json", "GET /aets/ARCHIVE/studies?StudyDate=x")
    assert code == 2
    assert json.loads(out)["ok"] is False


def test_parts_that_are_not_offered_are_told(tmp_path: Path) -> None:
    code, out, _ = explain(tmp_path, "--mount", "PACS", "--level", "patient", "-k", "PatientID=7")
    assert code == 0
    assert "where the PACS takes the Patient Root model:" in out
    assert "IssuerOfPatientID are one patient" in out


def test_who_asks_may_be_said(tmp_path: Path) -> None:
    line = "GET /aets/PACS/studies?PatientName=A*"
    code, out, _ = explain(tmp_path, line, "--as", "ann")
    assert (code, "ann may query on PACS: there is no [auth]" in out) == (0, True)
    assert as_json(tmp_path, line)["allowed"] == []
