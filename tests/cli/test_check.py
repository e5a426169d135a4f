import json
import socket
from pathlib import Path

from typer.testing import CliRunner

from hilum.cli.main import app
from hilum.state.lock import Lock

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
    good = {"ok": True, "config": str(tmp_path / "config.toml"), "running": False}
    assert json.loads(out) == good | {"problems": []}
    code, out, _ = check(tmp_path, "[mounts.A]\nx = 1\n", "--json")
    assert code == 1
    assert not json.loads(out)["ok"]
    assert "mounts.A.x: unknown key" in json.loads(out)["problems"][0]


def test_a_broker_that_runs_is_not_in_its_own_way(tmp_path: Path) -> None:
    (tmp_path / "data" / "state").mkdir(parents=True)
    held = Lock(tmp_path / "data" / "state", "the state's folder")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = GOOD.replace("[http]\nport = 0", f"[http]\nport = {port}")
        code, out, err = check(tmp_path, text)
        held.release()
        alone, _, _ = check(tmp_path, text)
    assert (code, err, alone) == (0, "", 1)
    assert "a broker runs with it" in out
