import json

import pytest
import typer

from hilum.cli.scu.ending import Misuse, NoConnection, end, printable, run
from hilum.model.errors import BackendFault


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (Misuse("no such key"), 2, "no such key"),
        (NoConnection("nobody is there"), 3, "nobody is there"),
        (BackendFault("it said C000H"), 1, "it said C000H"),
        (FileNotFoundError(2, "No such file", "here.dcm"), 1, "here.dcm: No such file"),
    ],
)
def test_each_failure_has_its_exit_code_and_one_line(
    error: Exception, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def work() -> None:
        raise error

    with pytest.raises(typer.Exit) as caught:
        run(work())
    assert caught.value.exit_code == code
    assert capsys.readouterr() == ("", text + "\n")


def test_programs_get_the_failure_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        end(3, "one", "two", as_json=True)
    said = capsys.readouterr()
    assert json.loads(said.out) == {"ok": False, "error": "one; two"}
    assert said.err == ""


def test_what_a_peer_says_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[2Jb\rc") == "a\ufffd[2Jb\ufffdc"
    assert printable("Müller^Jörg") == "Müller^Jörg"
