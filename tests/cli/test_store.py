import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests import peers, samples
from tests.cli.scu.peer import Pacs, call

from hilum.cli.walk.study import study

SLICES = study("STORE").slices


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six instances in two folders, one of them without File Meta Information, and a text."""
    deep = tmp_path / "in" / "deep"
    deep.mkdir(parents=True)
    for at, each in enumerate(SLICES[:5]):
        (tmp_path / "in" / f"{at}.dcm").write_bytes(each.part10)
    (deep / "bare").write_bytes(SLICES[5].encoded)
    (deep / "notes.txt").write_text("no image, but a text that is long enough to be looked at")
    return tmp_path / "in"


def test_every_instance_below_a_folder_is_sent(folder: Path, tmp_path: Path) -> None:
    with peers.storescp(tmp_path / "got") as peer:
        code, out, err = call("store", f"127.0.0.1:{peer.port}", str(folder))
        assert (code, err) == (0, "")
        assert len(peer.files()) == 6
    assert out.startswith("6 stored (")
    assert "1 skipped:" in out
    assert "notes.txt" in out


def test_programs_get_json(folder: Path, tmp_path: Path) -> None:
    with peers.storescp(tmp_path / "got") as peer:
        place = f"127.0.0.1:{peer.port}"
        code, out, _ = call("store", place, str(folder), "--json", "--associations", "3")
    found = json.loads(out)
    assert (code, found["ok"], found["stored"], found["refused"]) == (0, True, 6, [])
    assert found["skipped"][0]["count"] == 1


def test_what_the_peer_does_not_take_is_told_with_the_reason(tmp_path: Path) -> None:
    with peers.storescp(tmp_path / "got") as peer:
        good = tmp_path / "good.dcm"
        good.write_bytes(SLICES[0].part10)
        bad = tmp_path / "bad.dcm"
        bad.write_bytes(SLICES[1].part10[:-50])
        code, out, _ = call("store", f"127.0.0.1:{peer.port}", str(good), str(bad))
        assert len(peer.files()) == 1
    assert code == 1
    assert out.startswith("1 stored")
    assert "1 refused:" in out
    assert "bad.dcm" in out


@pytest.mark.skipif(not samples.HERE, reason="the sample files are not here")
def test_a_peer_with_few_syntaxes_gets_what_it_can_take(tmp_path: Path) -> None:
    """dcmqrscp takes uncompressed ones only: big endian and deflated go out re-encoded."""
    with peers.dcmqrscp(tmp_path / "pacs", aet="PACS") as peer:
        place = f"PACS@127.0.0.1:{peer.port}"
        names = ("MR_small_expb.dcm", "MR_small_RLE.dcm")
        files = [str(path) for path in samples.DUP if path.name in names]
        code, out, _ = call("store", place, *files, "--json")
    found = json.loads(out)
    assert (code, found["stored"]) == (1, 1)
    [refused] = found["refused"]
    assert refused["reason"].startswith("no context accepted for 1.2.840.10008.1.2")
    assert refused["files"][0].endswith("MR_small_RLE.dcm")


def test_nothing_to_send_calls_nobody(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    code, out, _ = call("store", f"127.0.0.1:{peers.free_port()}", str(tmp_path))
    assert code == 0
    assert out.startswith("0 stored")


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_nobody_there_is_3(folder: Path, more: tuple[str, ...]) -> None:
    code, out, err = call("store", f"127.0.0.1:{peers.free_port()}", str(folder), *more)
    assert code == 3
    assert "Connection refused" in (out if more else err)


def test_a_rejection_is_3(a_pacs: Pacs, folder: Path) -> None:
    code, _, err = call("store", a_pacs.place, str(folder), "--aet", "NOBODY")
    assert code == 3
    assert "called AE title not recognized" in err


def test_a_path_that_is_not_there_is_2() -> None:
    assert call("store", "127.0.0.1:104", "/no/such/file")[0] == 2


def test_a_peer_that_goes_away_ends_the_sending(tmp_path: Path) -> None:
    for at in range(40):
        (tmp_path / f"{at}.dcm").write_bytes(study(f"AWAY{at}").slices[0].part10)
    with peers.storescp(tmp_path / "got", options=["--abort-after"]) as peer:
        code, out, _ = call("store", f"127.0.0.1:{peer.port}", str(tmp_path))
    assert code == 1
    assert "Stopped before the end" in out
    assert "refused" in out


def test_ctrl_c_ends_it_in_order(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for at in range(30):
        (tmp_path / "in" / f"{at}.dcm").write_bytes(study(f"CTRL{at}").slices[0].part10)
    with peers.storescp(tmp_path / "got", options=["--sleep-after", "1"]) as peer:
        with subprocess.Popen(
            [sys.executable, "-m", "hilum", "store", f"127.0.0.1:{peer.port}", tmp_path / "in"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PYTHONPATH": str(peers.SOURCES), "PATH": "/usr/bin:/bin"},
        ) as process:
            until = time.monotonic() + 30
            while not peer.files():
                assert time.monotonic() < until
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out = process.communicate(timeout=30)[0].decode()
        assert process.returncode == 130, out
        assert "Stopped before the end" in out
        assert "Traceback" not in out
