import json
import socket
from pathlib import Path

from typer.testing import CliRunner

from hilum.cli.main import app

GOOD = """
[dimse]
port = 0
[http]
port = 0
[mounts.ARCHIVE]
default = true
"""


def check(folder: Path, text: str, *arguments: str) -> tuple[int, str, str]:
    path = folder / "config.toml"
    path.write_text(text)
    done = CliRunner().invoke(app, ["check", "--config", str(path), *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_a_good_configuration_is_good(tmp_path: Path) -> None:
    code, out, err = check(tmp_path, GOOD)
    assert (code, err) == (0, "")
    assert "is good" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml"]


def test_each_thing_wrong_in_the_file_is_one_line_with_the_nearest_right_key(
    tmp_path: Path,
) -> None:
    code, out, err = check(tmp_path, GOOD + "[server]\nate = 1\n[http.x]\n")
    assert (code, out) == (1, "")
    assert "server.ate: unknown key; did you mean server.aet?" in err


def test_each_thing_wrong_with_the_machine_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = GOOD.replace("[http]\nport = 0", f"[http]\nport = {port}")
        code, _, err = check(tmp_path, text)
    assert code == 1
    assert err.splitlines() == [
        f"http.port: 127.0.0.1 port {port} is taken; does a broker run already?",
        f"server.data: {tmp_path / 'data'} is not a folder",
    ]


def test_programs_get_json(tmp_path: Path) -> None:
    code, out, _ = check(tmp_path, GOOD, "--json")
    assert code == 0
    good = {"ok": True, "config": str(tmp_path / "config.toml"), "problems": []}
    assert json.loads(out) == good
    code, out, _ = check(tmp_path, "[mounts.A]\nx = 1\n", "--json")
    assert code == 1
    assert not json.loads(out)["ok"]
    assert "mounts.A.x: unknown key" in json.loads(out)["problems"][0]
