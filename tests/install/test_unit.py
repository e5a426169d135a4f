"""The unit: systemd takes it, it is locked down, and what it starts runs as it says."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.install.scratch import LENT, SCRIPT, Scratch
from tests.install.supervisor import Service

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a service of systemd"),
    pytest.mark.xdist_group("install"),
]
analysed = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze"
)
OK = 50  # tenths below which systemd calls a service OK
TAKEN = "secret that systemd hands over"


def analyse(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False
    )
    if "not supported" in done.stderr or "unrecognized" in done.stderr:
        pytest.skip("systemd is too old for this check")
    return done


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    printed = subprocess.run([SCRIPT, "print"], capture_output=True, text=True, check=True)
    path = tmp_path_factory.mktemp("unit") / "hilum.service"
    path.write_text(printed.stdout)
    return path


@analysed
def test_the_service_is_locked_down(unit: Path) -> None:
    done = analyse("security", "--offline=true", f"--threshold={OK // 2}", unit)
    assert done.returncode == 0, done.stdout
    assert re.search(r"Overall exposure level for hilum.service: \d\.\d OK", done.stdout)


@analysed
def test_systemd_understands_every_line_of_the_unit(unit: Path, tmp_path: Path) -> None:
    there = unit.read_text().replace("/opt/hilum/current/bin/python", sys.executable)
    (tmp_path / "hilum.service").write_text(there)
    done = analyse("verify", "--man=no", tmp_path / "hilum.service")
    ours = [line for line in done.stderr.splitlines() if "hilum.service" in line]
    assert not ours


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scratch]:
    if LENT is None:
        pytest.skip("needs pip to lend")
    made = Scratch(tmp_path_factory.mktemp("unit"))
    done = made.script("--wheels", str(made.wheels), SYSTEMCTL="")
    assert done.returncode == 0, done.stderr
    assert "not started" in done.stderr
    (made.root / "etc/hilum/credentials/far-token").write_text(f"{TAKEN}\n")
    config = made.root / "etc/hilum/config.toml"
    far = """
[mounts.FAR]
backend = "dicomweb"
url = "http://127.0.0.1:9/dicom-web"
bearer = { file = "$CREDENTIALS_DIRECTORY/hilum_far-token" }
"""
    config.write_text(config.read_text(encoding="utf-8") + far, encoding="utf-8")
    yield made
    made.close()


def test_what_the_unit_starts_becomes_ready_is_reloaded_and_stops(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in scratch.environ.items():
        if name.startswith("HILUM_"):
            monkeypatch.setenv(name, value)
    service = Service(scratch.root)
    try:
        watched = service.start(WATCHDOG_USEC="2000000")
        assert watched, (scratch.root / "journal").read_text()
        assert service.hears("WATCHDOG=1")
        asked = scratch.hilum("ready", "--wait", "30s")
        assert asked.returncode == 1
        assert "CREDENTIALS_DIRECTORY" in asked.stderr
        service.reload()
        assert service.hears("RELOADING=1")
        assert service.hears("READY=1")
        assert service.stop() == 0
    finally:
        service.close()
    journal = (scratch.root / "journal").read_text()
    assert "Hilum is ready" in journal
    assert TAKEN not in journal
    # nothing but what is kept, and nothing that others may read
    data = scratch.root / "var/lib/hilum"
    assert data.stat().st_mode & 0o007 == 0
    assert not list((data / "tmp").iterdir())
