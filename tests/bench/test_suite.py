"""The whole suite runs, on a tiny corpus: every row comes out with numbers, or with a reason."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from bench.guards.turns import of_interest
from bench.measure import key
from bench.options import parse
from bench.rows.table import ROWS
from bench.systems import dcmtk, orthanc

ROOT = Path(__file__).parents[2]
TINY = ["--slices", "3", "--small", "6", "--frames", "4", "--seconds", "0.05", "--nagle", "3"]
pytestmark = pytest.mark.skipif(
    bool(dcmtk.MISSING) or shutil.which("curl") is None or not Path("/proc/self").exists(),
    reason="needs DCMTK and curl, on Linux",
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_every_row_comes_out_with_numbers(tmp_path: Path) -> None:
    out = tmp_path / "out" / "results.json"
    places = ["--corpus", str(tmp_path / "corpus"), "--work", str(tmp_path), "--json", str(out)]
    done = run("--quick", *TINY, *places, "--guards", "auth,tls", "--starts", "1")
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text("utf-8"))
    rows, guards = results["rows"], results["guards"]
    assert set(rows) == {key(row) for row in ROWS}
    assert set(guards) == {key(row) for row in of_interest(ROWS)}
    asked = [(row, rows) for row in ROWS] + [(row, guards) for row in of_interest(ROWS)]
    for row, kept in asked:
        samples = kept[key(row)]["samples"]
        if not samples:
            assert orthanc.MISSING, f"{key(row)}: nobody was asked"
        for name, found in samples.items():
            reason = found["reason"]
            assert found["values"] or reason.startswith("not offered: HTTP 4"), (
                name,
                key(row),
                reason,
            )
            assert all(value > 0 for value in found["values"]), (name, key(row))
    page = out.with_name("RESULTS.md").read_text("utf-8")
    assert all(f"| {row.name} |" in page for row in ROWS)
    assert "## What tokens and TLS cost" in page
    assert guards["archive: C-STORE CT study, 1 association"]["samples"].keys() == {
        "Hilum", "Hilum, auth", "Hilum, tls", "storescp", "storescp, tls",
    }  # fmt: skip
    assert str(tmp_path) not in page
    assert not re.search(r"(?<![\w.])/(home|root|tmp|usr)/", page)


def test_it_lists_its_rows() -> None:
    done = run("--list")
    assert [line.split("  ")[0] for line in done.stdout.splitlines()] == [key(row) for row in ROWS]


def test_a_miss_is_explained_of_rows_that_there_are() -> None:
    told = tomllib.loads((ROOT / "bench" / "misses.toml").read_text("utf-8"))
    assert told.keys() <= {key(row) for row in ROWS}


def test_no_two_rows_have_one_name() -> None:
    assert len({key(row) for row in ROWS}) == len(ROWS)


def test_a_peer_that_is_written_wrong_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--peer", "nonsense"])
    assert "NAME=HTTP-URL,HOST:PORT,AET" in capsys.readouterr().err


def test_a_peer_is_understood() -> None:
    peer = parse(["--peer", "Other=http://127.0.0.1:1/dicom-web/,127.0.0.1:2,OTHER,77"]).peer[0]
    assert (peer.web, peer.port, peer.aet, peer.pid) == (
        "http://127.0.0.1:1/dicom-web", 2, "OTHER", 77,
    )  # fmt: skip
