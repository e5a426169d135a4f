import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hilum.cli.main import app

GOOD = '[server]\ndata = "./here"\n[mounts.ARCHIVE]\ndefault = true\n'


def reload(folder: Path, text: str, *arguments: str) -> tuple[int, str, str]:
    path = folder / "config.toml"
    path.write_text(text)
    done = CliRunner().invoke(app, ["reload", "--config", str(path), *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_where_no_broker_runs_that_is_told(tmp_path: Path) -> None:
    code, out, err = reload(tmp_path, GOOD)
    assert (code, out) == (1, "")
    assert "no broker runs with this data folder" in err
    assert [each.name for each in tmp_path.iterdir()] == ["config.toml"]


def test_programs_get_json(tmp_path: Path) -> None:
    code, out, _ = reload(tmp_path, GOOD, "--json")
    assert code == 1
    said = json.loads(out)
    assert (said["ok"], said["applied"], said["restart"]) == (False, [], [])
    assert said["problems"] == ["no broker runs with this data folder"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[server\n", "not TOML"),
        ("server = 1\n", "server: is a table"),
        ("[server]\ndata = 1\n", "server.data: is a path"),
    ],
)
def test_a_file_that_does_not_even_say_where_the_data_are(
    tmp_path: Path, text: str, problem: str
) -> None:
    code, _, err = reload(tmp_path, text)
    assert code == 1
    assert problem in err


def test_a_file_that_is_bad_elsewhere_is_the_brokers_to_judge(tmp_path: Path) -> None:
    _, _, err = reload(tmp_path, GOOD.replace("default", "defalt"))
    assert "no broker runs" in err
