import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from tests import samples
from tests.cli.process import configured, environment, hilum, ran, running

from hilum.cli.walk.study import study
from hilum.config.load import load

MADE = study("IMPORT")


def bring(config: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return ran("import", "--config", config, *arguments)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six instances, one of them twice, and three files that are none."""
    path = tmp_path / "images"
    (path / "deep" / "er").mkdir(parents=True)
    for number, each in enumerate(MADE.slices):
        (path / "deep" / f"{number}").write_bytes(each.part10)
    (path / "deep" / "er" / "bare").write_bytes(MADE.slices[0].encoded)
    (path / "readme.txt").write_text("hello")
    (path / "empty").touch()
    return path


def found(config: Path) -> int:
    http = load(config, {}).http
    answer = httpx.get(
        f"http://127.0.0.1:{http.port}/dicomweb/studies/{MADE.uid}/instances",
        headers={"Accept": "application/dicom+json"},
    )
    return len(answer.json())


def test_everything_in_a_folder_is_stored_and_what_is_not_is_told_with_reasons(
    folder: Path, tmp_path: Path
) -> None:
    config = configured(tmp_path)
    done = bring(config, folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("7 stored")
    assert "2 skipped:" in done.stdout
    assert "readme.txt" in done.stdout
    with running(config):
        assert found(config) == len(MADE.slices)


def test_it_may_be_repeated_and_programs_get_json(folder: Path, tmp_path: Path) -> None:
    config = configured(tmp_path)
    for _ in range(2):
        account = json.loads(bring(config, folder, "--json").stdout)
        assert account["stored"] == 7
        assert account["refused"] == []
        assert sum(each["count"] for each in account["skipped"]) == 2


@pytest.mark.parametrize("mode", ["both", "dimse"])
def test_a_broker_that_runs_is_given_the_instances(mode: str, folder: Path, tmp_path: Path) -> None:
    config = configured(tmp_path, frontend__mode=mode)
    with running(config):
        account = json.loads(bring(config, folder, "--json").stdout)
    assert account["stored"] == 7
    assert account["refused"] == []
    config.write_text(config.read_text().replace(f'"{mode}"', '"both"'))
    with running(config):
        assert found(config) == len(MADE.slices)


def test_a_conflict_is_refused_and_fails_the_import(folder: Path, tmp_path: Path) -> None:
    config = configured(tmp_path)
    bring(config, folder)
    other = folder / "deep" / "0"
    other.write_bytes(other.read_bytes()[:-2] + b"\1\1")
    done = bring(config, other, "--json")
    assert done.returncode == 1
    [refused] = json.loads(done.stdout)["refused"]
    assert refused["files"] == [str(other)]
    with running(config):
        again = json.loads(bring(config, other, "--json").stdout)
        assert again["refused"] != []


def test_an_unknown_mount_is_told_with_those_there_are(folder: Path, tmp_path: Path) -> None:
    done = bring(configured(tmp_path), folder, "--mount", "ARCHIV")
    assert done.returncode == 1
    assert done.stderr == "no mount is called ARCHIV; there is ARCHIVE\n"


def test_control_c_ends_it_with_an_account(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.mkdir()
    for number in range(4000):
        (path / f"{number:05}").write_bytes(MADE.slices[number % 6].part10)
    process = subprocess.Popen(
        hilum("import", "--config", configured(tmp_path), path, "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    data = tmp_path / "data"
    while not list(data.rglob("*.dcm")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    account = json.loads(out)
    assert account["stopped"]
    assert 0 < account["stored"] < 4000
    assert "Traceback" not in err


def test_every_good_sample_goes_in(tmp_path: Path) -> None:
    path = tmp_path / "images"
    path.mkdir()
    for number, each in enumerate(samples.GOOD):
        shutil.copy(each, path / str(number))
    account = json.loads(bring(configured(tmp_path), path, "--json").stdout)
    assert account["stored"] == len(samples.GOOD), account
