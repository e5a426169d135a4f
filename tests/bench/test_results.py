"""Results are kept, joined, and written as tables."""

from pathlib import Path

import pytest
from bench.copies import copies
from bench.corpus import Corpus
from bench.growth.step import Step, Table, memory_verdict, verdict
from bench.measure import in_turn, key
from bench.report import report
from bench.results import Measured, Results, Samples, load, save
from bench.row import MILLISECONDS, RATE, SECONDS, Target, Unit
from bench.rows.table import ROWS
from bench.system import System

ROW = next(row for row in ROWS if row.name == "C-FIND all studies")


def results(ours: float, orthanc: float, other: float) -> Results:
    samples = {
        "Hilum": Samples([ours, ours * 1.1, ours * 0.9], cpu=[0.1], peak=100.0, count=[1]),
        "Orthanc": Samples([orthanc]),
        "dcmqrscp": Samples([other]),
        "floor": Samples(reason="not offered: HTTP 404"),
    }
    return Results(
        {"cores": "2"}, {"slices": 5}, {}, {key(ROW): Measured("2026-01-01", 3, samples)}
    )


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    save(results(1.0, 4.0, 2.0), path)
    assert load(path) == results(1.0, 4.0, 2.0)
    assert load(tmp_path / "none.json") == Results()


def test_newer_rows_take_the_place_of_older_ones() -> None:
    older = results(1.0, 4.0, 2.0)
    older.rows["SCU: another"] = Measured("2025-01-01", 1)
    merged = older.merged(results(2.0, 4.0, 2.0))
    assert merged.rows[key(ROW)].samples["Hilum"].median == 2.0
    assert "SCU: another" in merged.rows


def test_a_row_shows_ratios_to_the_best_and_to_orthanc_and_its_target() -> None:
    page = report(results(1.0, 4.0, 2.0), ROWS)
    line = next(line for line in page.splitlines() if line.startswith(f"| {ROW.name} |"))
    assert "| 1.0000 s (20 %) |" in line
    assert "| 2.00 (dcmqrscp), 4.00 (Orthanc) |" in line
    assert "| ≥ 3x Orthanc | yes |" in line
    assert "not offered (HTTP 404)" in line
    missed = report(results(2.0, 4.0, 2.0), ROWS)
    assert "| ≥ 3x Orthanc | **no** |" in missed


@pytest.mark.parametrize(
    ("target", "unit", "ours", "theirs", "expected"),
    [
        (Target("faster", 2, "A"), SECONDS, 1.0, 2.0, True),
        (Target("faster", 2, "A"), RATE, 10.0, 6.0, False),
        (Target("longer", 0.8, "A"), SECONDS, 0.8, 1.0, True),
        (Target("longer", 0.8, "A"), SECONDS, 0.9, 1.0, False),
        (Target("added", 1, "A"), MILLISECONDS, 3.5, 2.0, False),
        (Target("bound", 100), RATE, 101.0, 0.0, True),
        (Target("bound", 100), SECONDS, 101.0, 0.0, False),
    ],
)
def test_a_target_is_met_or_not(
    target: Target, unit: Unit, ours: float, theirs: float, expected: object
) -> None:
    assert target.met(unit, ours, {"A": theirs}) is expected


@pytest.mark.parametrize(
    ("floor", "said"),
    [
        ([1.0, 0.8, 2.0], "2.00 to 5.00x Orthanc: on the edge"),
        ([1.0, 1.0, 1.0], "4.00x Orthanc: in reach"),
        ([2.0, 1.6, 2.5], "1.60 to 2.50x Orthanc: out of reach"),
    ],
)
def test_what_the_floor_misses_is_out_of_reach(floor: list[float], said: str) -> None:
    found = results(2.0, 4.0, 2.0)
    samples = found.rows[key(ROW)].samples
    samples |= {"Orthanc": Samples([4.0] * 3), "floor": Samples(floor)}
    page = report(found, ROWS)
    assert f"| {said} |" in page
    assert f"| ≥ 3x Orthanc | 1.82 to 2.22x Orthanc | {said} | " in page


def test_copies_have_other_uids_and_are_as_long(tmp_path: Path) -> None:
    paths = Corpus(tmp_path, slices=2).ct
    with copies(paths, 7, tmp_path) as made:
        for old, new in zip(paths, made, strict=True):
            assert len(old.read_bytes()) == len(new.read_bytes())
        texts = [path.read_bytes() for path in made]
    uid = Corpus(tmp_path, slices=2).ct_study.encode()
    assert all(uid not in text and uid[:-8] + b"00000007" in text for text in texts)
    assert not made[0].stat().st_size  # deleted at the end: see bench/folders.py


def test_each_comes_early_and_late() -> None:
    systems = [System(name=name, port=0, aet="") for name in "ABCDEF"]
    turns = ["".join(each.name for each in in_turn(systems, number, 3)) for number in (1, 2, 3)]
    assert turns == ["ABCDEF", "CDEFAB", "EFABCD"]


def table(*times: float, flat: bool = False) -> Table:
    steps = [Step(10**at, "", {"ask": time}, 100.0 + at) for at, time in enumerate(times)]
    return Table("t", "rows", "", "", "", steps, noise=0.001, flat=flat)


def test_growth_is_judged() -> None:
    assert verdict(table(0.01, 0.1, 1.0), "ask") == "no faster than its input"
    assert verdict(table(0.01, 0.2, 1.0), "ask") == "**faster than its input**"
    assert verdict(table(0.01, 0.011, flat=True), "ask") == "does not grow"
    assert verdict(table(0.01, 0.1, flat=True), "ask") == "**grows**"
    assert memory_verdict(table(1, 1).steps) == "does not grow"
