"""The scripts at the top can be run by anybody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [ROOT / "scripts" / name for name in ("run", "test", "check", "bench")]
SCRIPTS += [ROOT / ".ci" / "run", ROOT / "install-service.sh", ROOT / "packaging" / "hilum"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="scripts for a POSIX shell")


def shell(script: str, path: str) -> str:
    """What a shell prints that has read scripts/environment.sh."""
    done = subprocess.run(
        ["/bin/sh", "-euc", f'root="{ROOT}"; . "{ROOT}/scripts/environment.sh"; {script}'],
        env={"PATH": path, "HOME": "/"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_executed_and_read_by_a_plain_shell(script: Path) -> None:
    assert os.access(script, os.X_OK)
    subprocess.run(["/bin/sh", "-n", script], check=True)


def test_a_python_that_does_not_start_is_passed_over(tmp_path: Path) -> None:
    for name in ("python3.13", "python3.12", "python3.11", "python3"):
        shim = tmp_path / name
        shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
        shim.chmod(0o755)
    good = tmp_path / "good"
    good.mkdir()
    (good / "python3.11").symlink_to(sys.executable)
    assert "shim" not in shell("pythons", f"{tmp_path}:/usr/bin:/bin")
    found = shell(f'PYTHON="{good}/python3.11" find_python', f"{tmp_path}:/usr/bin:/bin")
    assert found == f"{good}/python3.11"


def test_an_old_python_is_passed_over(tmp_path: Path) -> None:
    old = tmp_path / "python3.13"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    assert str(old) not in shell("pythons", f"{tmp_path}:/usr/bin:/bin")


def test_one_build_command_runs_the_other() -> None:
    assert "scripts/test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "scripts/check" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
