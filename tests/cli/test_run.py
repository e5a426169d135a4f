import os
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest
from tests.cli.process import configured, ran, running

from hilum.config.load import load


def failing(config: Path) -> list[str]:
    done = ran("run", "--config", config)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_both_doors_until_it_is_told_to_stop(
    number: signal.Signals, tmp_path: Path
) -> None:
    config = configured(tmp_path)
    settings = load(config, {})
    with running(config, cold=True) as broker:
        assert f"  DIMSE      127.0.0.1:{settings.dimse.port}" in broker.said
        root = f"http://127.0.0.1:{settings.http.port}"
        assert f"  DICOMweb   {root}/dicomweb" in broker.said
        assert httpx.get(f"{root}/health").status_code == 200
        with socket.create_connection(("127.0.0.1", settings.dimse.port)):
            pass
        assert broker.stop(number) == 0
    assert "Traceback" not in config.with_suffix(".log").read_text()


def test_any_free_port_is_told_as_it_is(tmp_path: Path) -> None:
    with running(configured(tmp_path, dimse__port=0, http__port=0)) as broker:
        [line] = [each for each in broker.said if each.startswith("  DICOMweb")]
        root = line.split()[1].removesuffix("/dicomweb")
        assert httpx.get(f"{root}/health").status_code == 200


def test_one_door_may_be_closed(tmp_path: Path) -> None:
    with running(configured(tmp_path, frontend__mode="dimse"), "--examples") as broker:
        assert not [each for each in broker.said if each.startswith("  DICOMweb")]
        assert broker.stop() == 0


@pytest.mark.parametrize("door", ["dimse", "http"])
def test_a_port_that_is_taken_is_one_line(door: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        lines = failing(configured(tmp_path, **{f"{door}__port": port}))
    assert lines[-1] == (
        f"{door}.port: cannot listen at 127.0.0.1 port {port}: {os.strerror(98)}"
        if sys.platform == "linux"
        else lines[-1]
    )


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    lines = failing(configured(tmp_path))
    assert lines[-1].startswith(f"mounts.ARCHIVE: {tmp_path}/data/archive/ARCHIVE: ")


def test_a_data_folder_belongs_to_one_broker(tmp_path: Path) -> None:
    with running(configured(tmp_path)):
        lines = failing(configured(tmp_path))
    assert lines[-1].startswith("mounts.ARCHIVE: ")


def test_a_configuration_that_is_wrong_is_told_line_by_line(tmp_path: Path) -> None:
    lines = failing(configured(tmp_path, dimse__prot=1, http__port=70000))
    assert len(lines) == 2
