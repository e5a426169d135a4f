"""install-service.sh, from a first install to the last file, below a scratch root."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.install.scratch import LENT, SCRIPT, Scratch

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a service of systemd"),
    pytest.mark.skipif(LENT is None, reason="needs pip to lend"),
    pytest.mark.xdist_group("install"),
]


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Scratch]:
    made = Scratch(tmp_path)
    yield made
    made.close()


def good(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_service_from_the_first_install_to_the_purge(scratch: Scratch) -> None:
    root, wheels = scratch.root, ("--wheels", str(scratch.wheels))
    assert scratch.script("status").returncode == 4
    assert scratch.script("upgrade", *wheels).returncode == 4

    said = good(scratch.script(*wheels))
    assert "hilum token create" in said
    config = root / "etc/hilum/config.toml"
    told = tomllib.loads(config.read_text(encoding="utf-8"))
    assert told["server"]["data"] == "/var/lib/hilum"
    assert told["auth"] == {"enabled": True}
    assert told["http"] == {"bind": "127.0.0.1", "port": 8443, "tls": True}
    assert told["dimse"]["bind"] == "127.0.0.1"
    assert config.stat().st_mode & 0o007 == 0
    assert (root / "etc/hilum/credentials").stat().st_mode & 0o777 == 0o700
    assert os.access(root / "usr/local/bin/hilum", os.X_OK)
    status = scratch.script("status")
    assert "runs and is ready" in good(status)
    first = scratch.current

    # again: nothing changes, and nothing is started anew
    pid = (root / "pid").read_text()
    config.write_text(config.read_text(encoding="utf-8") + "# ours\n", encoding="utf-8")
    good(scratch.script("install", *wheels))
    assert (scratch.current, scratch.releases()) == (first, [first])
    assert (root / "pid").read_text() == pid
    token = json.loads(scratch.hilum("token", "create", "ann", "--may", "query", "--json").stdout)

    # another wheel: another release, with what was there
    scratch.wheel()
    assert "was before is in" in good(scratch.script("install", *wheels))
    second = scratch.current
    assert scratch.releases() == [first, second]
    assert config.read_text(encoding="utf-8").endswith("# ours\n")
    kept = root / "var/backups/hilum" / second
    assert (kept / "etc/config.toml").is_file()
    assert (kept / "databases/state/state.db").is_file()
    assert (kept / "databases/archive/ARCHIVE/index.db").is_file()

    # one that does not start: the one before, with what it had
    scratch.wheel(broken=True)
    failed = scratch.script("upgrade", *wheels)
    assert failed.returncode == 1
    assert "was there before, runs again" in failed.stderr
    assert (scratch.current, scratch.releases()) == (second, [first, second])
    assert "runs and is ready" in good(scratch.script("status"))
    listed = json.loads(scratch.hilum("token", "list", "--json").stdout)
    assert [(each["id"], each["good"]) for each in listed] == [(token["id"], True)]

    good(scratch.script("uninstall"))
    assert scratch.script("status").returncode == 4
    assert config.is_file()
    assert (root / "var/lib/hilum/archive").is_dir()
    assert not (root / "etc/systemd/system/hilum.service").exists()
    good(scratch.script("uninstall"))
    good(scratch.script("uninstall", "--purge"))
    left = [each for each in root.rglob("*") if "hilum" in each.name]
    assert not left


def test_without_packages_nothing_is_left_behind(scratch: Scratch) -> None:
    for each in scratch.wheels.iterdir():
        each.unlink()
    done = scratch.script("install", "--wheels", str(scratch.wheels))
    assert done.returncode == 1
    assert "no wheel of Hilum" in done.stderr
    assert scratch.releases() == []
    assert not (scratch.root / "opt/hilum/current").exists()


@pytest.mark.parametrize("line", ["install upgrade", "--root", "wheels", "install --purge", "x"])
def test_what_is_no_command_is_answered_with_how_to_call_it(line: str) -> None:
    done = subprocess.run([SCRIPT, *line.split()], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "sudo ./install-service.sh upgrade" in done.stderr
