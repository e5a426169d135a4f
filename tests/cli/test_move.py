import json
from pathlib import Path

import pytest
from tests import peers
from tests.cli.scu.peer import RECEIVER, Pacs, call


def test_a_study_goes_to_a_third_peer(a_pacs: Pacs, tmp_path: Path) -> None:
    with peers.storescp(tmp_path / "got", aet=RECEIVER, port=a_pacs.receiver) as receiver:
        what = ("-k", f"StudyInstanceUID={a_pacs.study.uid}")
        code, out, err = call("move", a_pacs.place, *what, "--destination", RECEIVER)
        assert (code, out, err) == (0, f"6 of 6 sent to {RECEIVER}\n", "")
        assert len(receiver.files()) == 6
        code, out, _ = call("move", a_pacs.place, *what, "-d", RECEIVER, "--json")
    found = json.loads(out)
    assert (code, found["ok"], found["completed"], found["failed"]) == (0, True, 6, 0)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("-d", "NOBODY"), 1, "A801H: Move Destination unknown"),
        (("-d", "MUCH_TOO_LONG_FOR_A_TITLE"), 2, "at most 16 characters"),
        (("-d", RECEIVER, "--model", "study", "--level", "patient"), 2, "no patient level"),
        (("-d", RECEIVER, "--aet", "NOBODY"), 3, "called AE title not recognized"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line(
    a_pacs: Pacs, arguments: tuple[str, ...], code: int, words: str
) -> None:
    what = ("-k", f"StudyInstanceUID={a_pacs.study.uid}")
    found, _, err = call("move", a_pacs.place, *what, *arguments)
    assert found == code
    assert words in err
    assert len(err.splitlines()) == 1


def test_programs_get_the_failure_as_json(a_pacs: Pacs) -> None:
    what = ("-k", f"StudyInstanceUID={a_pacs.study.uid}")
    code, out, _ = call("move", a_pacs.place, *what, "-d", "NOBODY", "--json")
    assert (code, json.loads(out)["ok"]) == (1, False)
