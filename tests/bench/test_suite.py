"""The whole suite runs, on a tiny corpus: every row comes out with numbers, or with a reason."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
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


def measured(folder: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    """What was kept of a run, and its page."""
    out = folder / "out" / "results.json"
    places = ["--corpus", str(folder / "corpus"), "--work", str(folder), "--json", str(out)]
    done = run("--quick", *TINY, *places, *arguments)
    assert done.returncode == 0, done.stderr
    page = out.with_name("RESULTS.md").read_text("utf-8")
    assert str(folder) not in page
    return json.loads(out.read_text("utf-8")), page


@pytest.mark.slow
def test_every_row_comes_out_with_numbers(tmp_path: Path) -> None:
    results, page = measured(tmp_path)
    rows = results["rows"]
    assert set(rows) == {key(row) for row in ROWS}
    for row in ROWS:
        samples = rows[key(row)]["samples"]
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
    assert all(f"| {row.name} |" in page for row in ROWS)
    assert not re.search(r"(?<![\w.])/(home|root|tmp|usr)/", page)


@pytest.mark.slow
def test_what_guards_cost_comes_out_with_numbers(tmp_path: Path) -> None:
    rows = ["C-STORE CT study, 1 association", "QIDO-RS by UID, 8 connections", "C-GET CT study"]
    only = [part for row in rows for part in ("--only", f"archive: {row}")]
    guards = ["--rounds", "0", "--guards", "auth,tls", "--starts", "1"]
    results, page = measured(tmp_path, *guards, *only)
    assert not results["rows"]
    found = results["guards"]
    assert set(found) == {f"archive: {row}" for row in rows}
    ours = {"Hilum", "Hilum, auth", "Hilum, tls"}
    asked = ours | {"storescp", "storescp, tls"}, ours, {"Hilum", "Hilum, auth"}
    for row, names in zip(rows, asked, strict=True):
        samples = found[f"archive: {row}"]["samples"]
        assert samples.keys() == names
        assert len({len(each["values"]) for each in samples.values()}) == 1
        assert all(value > 0 for each in samples.values() for value in each["values"])
        assert all(len(samples[name]["cpu"]) == len(samples[name]["values"]) for name in names)
    assert "## What tokens and TLS cost" in page
    assert page.count("| too few starts |") == 5


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
