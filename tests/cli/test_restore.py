import json
from pathlib import Path

import pytest
from tests.cli.process import configured, ran, running


def names(config: Path) -> list[str]:
    listed = ran("token", "list", "--config", config, "--json")
    return [each["name"] for each in json.loads(listed.stdout)]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a broker that has issued a token."""
    made = configured(tmp_path_factory.mktemp("restore"), auth__enabled=True)
    assert ran("token", "create", "ann", "--may", "query", "--config", made).returncode == 0
    return made


def test_the_state_of_a_backup_comes_back_when_the_broker_has_stopped(
    config: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    assert ran("backup", kept, "--config", config).returncode == 0
    assert ran("token", "create", "bob", "--may", "query", "--config", config).returncode == 0
    with running(config):
        refused = ran("restore", kept, "--config", config)
        assert (refused.returncode, "stop it before" in refused.stderr) == (1, True)
    assert names(config) == ["ann", "bob"]
    done = ran("restore", kept, "--index", "--config", config, "--json")
    state = config.parent / "data" / "state" / "state.db"
    assert json.loads(done.stdout) == {"restored": [str(state)]}
    assert names(config) == ["ann"]
    with running(config):
        assert ran("ready", "--config", config).returncode == 0


def test_a_folder_that_is_no_backup_is_told(config: Path, tmp_path: Path) -> None:
    done = ran("restore", tmp_path, "--config", config)
    assert (done.returncode, done.stderr) == (1, f"{tmp_path}: there is no backup in it\n")
    assert "ann" in names(config)
