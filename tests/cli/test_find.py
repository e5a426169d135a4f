import json

import pytest
from tests import peers
from tests.cli.scu.peer import Pacs, call


def test_studies_are_shown_with_the_usual_attributes(a_pacs: Pacs) -> None:
    code, out, err = call("find", a_pacs.place, "-k", "PatientName=Demo*")
    assert (code, err) == (0, "")
    assert a_pacs.study.uid in out
    assert "StudyDate" in out
    assert "Hilum demonstration" in out
    assert out.endswith("1 found\n")


def test_what_is_asked_for_is_what_is_shown(a_pacs: Pacs) -> None:
    code, out, _ = call("find", a_pacs.place, "-k", "PatientName=Demo*", "-k", "0020000D")
    assert code == 0
    assert "StudyInstanceUID" in out
    assert "StudyDate" not in out


@pytest.mark.parametrize(
    ("level", "tag", "count"),
    [
        ("patient", "00100020", 1),
        ("study", "0020000D", 1),
        ("series", "0020000E", 2),
        ("image", "00080018", 3),
    ],
)
def test_programs_get_dicom_json_at_every_level(
    a_pacs: Pacs, level: str, tag: str, count: int
) -> None:
    first = a_pacs.study.slices[0]
    keys = ["-k", f"PatientID={a_pacs.study.patient_id}"]
    if level in ("series", "image"):
        keys = ["-k", f"StudyInstanceUID={a_pacs.study.uid}"]
    if level == "image":
        keys += ["-k", f"SeriesInstanceUID={first.series_uid}"]
    code, out, err = call("find", a_pacs.place, "--level", level, *keys, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert len({each[tag]["Value"][0] for each in found}) == count


def test_nothing_found_is_an_empty_list_and_no_failure(a_pacs: Pacs) -> None:
    assert call("find", a_pacs.place, "-k", "PatientName=Nobody") == (0, "0 found\n", "")
    code, out, _ = call("find", a_pacs.place, "-k", "PatientName=Nobody", "--json")
    assert (code, json.loads(out)) == (0, [])


def test_a_limit_stops_the_search(a_pacs: Pacs) -> None:
    code, out, _ = call(
        "find", a_pacs.place, "--level", "series", "-k", f"StudyInstanceUID={a_pacs.study.uid}",
        "--limit", "1", "--json",
    )  # fmt: skip
    assert (code, len(json.loads(out))) == (0, 1)


def test_relational_queries_that_the_peer_does_not_agree_on_are_told_of(a_pacs: Pacs) -> None:
    code, _, err = call("find", a_pacs.place, "--level", "series", "--relational")
    assert "did not agree on relational queries" in err
    assert code in (0, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("-k", "PatientNam=A"), 2, "did you mean PatientName"),
        (("--level", "patient", "--model", "study"), 2, "no patient level"),
        (("-k", "Rows=many"), 1, "Rows is no US"),
        (("--aet", "NOBODY"), 3, "called AE title not recognized"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line(
    a_pacs: Pacs, arguments: tuple[str, ...], code: int, words: str
) -> None:
    found, _, err = call("find", a_pacs.place, *arguments)
    assert found == code
    assert words in err
    assert len(err.splitlines()) == 1


def test_programs_get_an_array_even_when_there_is_no_connection() -> None:
    code, out, err = call("find", f"127.0.0.1:{peers.free_port()}", "--json")
    assert (code, json.loads(out)) == (3, [])
    assert "Connection refused" in err
