import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from tests.cli.process import configured, ran, running


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return configured(tmp_path_factory.mktemp("backup"), auth__enabled=True)


def test_tokens_of_a_running_broker_are_in_the_copy_and_come_back(
    config: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    with running(config):
        assert ran("token", "create", "ann", "--may", "query", "--config", config).returncode == 0
        done = ran("backup", kept, "--index", "--config", config, "--json")
        assert done.returncode == 0, done.stderr
        files = json.loads(done.stdout)["files"]
    assert sorted(files) == ["archive/ARCHIVE/index.db", "config.toml", "state/state.db"]
    assert {name: (kept / name).stat().st_size for name in files} == files
    assert (kept / "config.toml").read_bytes() == config.read_bytes()
    assert kept.stat().st_mode & 0o777 == (kept / "state").stat().st_mode & 0o777 == 0o700
    assert (kept / "state/state.db").stat().st_mode & 0o777 == 0o600
    shutil.rmtree(config.parent / "data" / "state")
    shutil.copytree(kept / "state", config.parent / "data" / "state")
    listed = json.loads(ran("token", "list", "--config", config, "--json").stdout)
    assert [each["name"] for each in listed] == ["ann"]
    index = sqlite3.connect(kept / "archive/ARCHIVE/index.db")
    assert index.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    index.close()


def test_a_folder_with_something_in_it_is_left_alone(config: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    done = ran("backup", tmp_path, "--config", config)
    assert (done.returncode, done.stderr) == (1, f"{tmp_path}: is not empty\n")
    assert [each.name for each in tmp_path.iterdir()] == ["precious"]


def test_a_broker_that_never_ran_has_its_configuration_only(tmp_path: Path) -> None:
    done = ran("backup", tmp_path / "kept", "--config", configured(tmp_path))
    assert done.returncode == 0
    assert done.stdout.endswith(f"bytes  {tmp_path / 'kept' / 'config.toml'}\n")
