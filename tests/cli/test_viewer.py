import base64
import hashlib
import json
from pathlib import Path

import pytest
from tests.cli.ohif.made import WHOLE, package
from tests.cli.ohif.test_fetch import registry
from tests.cli.process import configured
from typer.testing import CliRunner, Result

from hilum.cli.main import app
from hilum.cli.ohif import pinned


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return configured(tmp_path)


@pytest.fixture
def tarball(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pinned package of these tests."""
    return pinned_as(package(tmp_path / "ohif.tgz"), monkeypatch)


def pinned_as(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    content = path.read_bytes()
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    monkeypatch.setattr(pinned, "INTEGRITY", f"sha512-{digest}")
    monkeypatch.setattr(pinned, "SIZE", len(content))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return path


def viewer(config: Path, *arguments: str | Path) -> Result:
    action, *more = map(str, arguments)
    return CliRunner().invoke(app, ["viewer", action, "--config", str(config), *more])


def told(config: Path) -> dict[str, object]:
    return json.loads(viewer(config, "status", "--json").stdout)


def test_it_is_installed_from_a_file_and_removed(config: Path, tarball: Path) -> None:
    assert viewer(config, "status").exit_code == 1
    done = viewer(config, "install", "--from", tarball)
    assert (done.exit_code, done.stderr) == (0, "")
    found = told(config)
    assert found["installed"] is found["current"] is found["served"] is True
    assert found["release"] == pinned.RELEASE
    folder = Path(str(found["folder"]))
    assert sorted(path.name for path in folder.iterdir()) == [pinned.RELEASE, "release"]
    assert viewer(config, "status").exit_code == 0
    assert json.loads(viewer(config, "remove", "--json").stdout) == {"removed": True}
    assert not folder.exists()
    assert json.loads(viewer(config, "remove", "--json").stdout) == {"removed": False}


def test_it_is_fetched_from_a_registry(config: Path, tarball: Path) -> None:
    with registry(tarball.read_bytes()) as url:
        done = viewer(config, "install", "--registry", url, "--json")
    assert json.loads(done.stdout)["fresh"] is True
    assert viewer(config, "status").exit_code == 0


def test_the_registry_that_npm_is_told_of_counts(
    config: Path, tarball: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with registry(tarball.read_bytes()) as url:
        monkeypatch.setenv("npm_config_registry", url)
        assert viewer(config, "install").exit_code == 0


def test_what_is_there_is_not_fetched_again(config: Path, tarball: Path) -> None:
    viewer(config, "install", "--from", tarball)
    done = viewer(config, "install", "--registry", "http://127.0.0.1:1", "--json")
    assert (done.exit_code, json.loads(done.stdout)["fresh"]) == (0, False)


def test_another_package_is_refused_and_leaves_nothing(config: Path, tarball: Path) -> None:
    tarball.write_bytes(tarball.read_bytes()[:-1] + b"!")
    done = viewer(config, "install", "--from", tarball)
    assert done.exit_code == 1
    assert "SHA-512" in done.stderr
    assert told(config)["installed"] is False
    assert list(Path(str(told(config)["folder"])).iterdir()) == []


def test_without_a_registry_it_says_how_to_go_on(config: Path) -> None:
    done = viewer(config, "install", "--registry", "http://127.0.0.1:1")
    assert done.exit_code == 1
    assert f"npm pack @ohif/app@{pinned.VERSION}" in done.stderr


def test_an_update_takes_the_place_of_what_was_there(
    config: Path, tarball: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer(config, "install", "--from", tarball)
    monkeypatch.setattr(pinned, "RELEASE", "ohif-99-1")
    assert told(config)["current"] is False
    assert "hilum viewer install" in viewer(config, "status").stdout
    assert viewer(config, "install", "--from", tarball).exit_code == 0
    assert told(config)["release"] == "ohif-99-1"
    folder = Path(str(told(config)["folder"]))
    assert sorted(path.name for path in folder.iterdir()) == ["ohif-99-1", "release"]


def test_an_update_that_fails_leaves_what_was_there(
    config: Path, tarball: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer(config, "install", "--from", tarball)
    monkeypatch.setattr(pinned, "RELEASE", "ohif-99-1")
    broken = pinned_as(package(tarball.with_name("b.tgz"), WHOLE[:2]), monkeypatch)
    assert viewer(config, "install", "--from", broken).exit_code == 1
    assert told(config)["installed"] is True


def test_half_of_an_installation_is_in_nobodys_way(config: Path, tarball: Path) -> None:
    folder = Path(str(told(config)["folder"]))
    (folder / pinned.RELEASE).mkdir(parents=True)
    (folder / ".new" / "x").mkdir(parents=True)
    assert viewer(config, "install", "--from", tarball).exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == [pinned.RELEASE, "release"]


def test_a_package_that_is_not_there_is_told_in_one_line(config: Path, tmp_path: Path) -> None:
    done = viewer(config, "install", "--from", tmp_path / "no.tgz")
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)


def test_one_that_is_switched_off_says_so(tmp_path: Path, tarball: Path) -> None:
    config = configured(tmp_path, http__viewer=False)
    viewer(config, "install", "--from", tarball)
    assert "not served" in viewer(config, "status").stdout
