"""What tokens and TLS cost is told with how sure that is."""

from itertools import islice
from pathlib import Path

import pytest
from bench.access import Guard
from bench.corpus import Corpus
from bench.folders import linked, passing
from bench.guards.kept import Kept, of_speed, of_time
from bench.guards.turns import compared, of_interest, orders
from bench.measure import key
from bench.report import report
from bench.results import Measured, Results, Samples, load, save
from bench.row import RATE, SECONDS
from bench.rows.table import ROWS
from bench.site import Choice, Extent, Plan
from bench.system import System

ROW = next(row for row in ROWS if row.name == "C-FIND all studies")


def test_what_is_kept_is_the_middle_of_the_ratios_of_each_turn() -> None:
    plain = Samples([1.0, 2.0, 4.0])  # the machine got slower
    guarded = Samples([1.25, 2.5, 9.0])
    kept = of_speed(plain, guarded, SECONDS, starts=1)
    assert kept is not None
    assert kept.middle == pytest.approx(0.8)
    assert of_speed(guarded, plain, RATE, starts=1) == kept


def test_what_each_start_says_counts_once() -> None:
    turns = [*[0.9] * 5, *[1.0] * 5, *[1.1] * 5]
    kept = of_speed(Samples([1.0] * 15), Samples(turns), RATE, starts=3)
    alone = of_speed(Samples([1.0] * 3), Samples([0.9, 1.0, 1.1]), RATE, starts=3)
    assert kept == alone
    assert kept is not None
    assert kept.middle == pytest.approx(0.99 ** (1 / 3))
    assert kept.low < 0.9
    assert kept.high > 1.1


def test_who_failed_in_a_turn_says_nothing() -> None:
    assert of_speed(Samples([1.0] * 4), Samples([1.0] * 3), RATE, starts=2) is None
    assert of_speed(Samples(), Samples(), RATE, starts=2) is None


def test_cpu_time_is_that_of_an_answer() -> None:
    plain = Samples([1.0], cpu=[1.0], count=[100])
    guarded = Samples([1.0], cpu=[2.4], count=[200])
    spent = of_time(plain, guarded, starts=1)
    assert spent is not None
    assert spent.middle == pytest.approx(1.2)
    assert of_time(plain, Samples([1.0]), starts=1) is None


def test_only_an_interval_that_lies_on_one_side_decides() -> None:
    assert Kept(0.97, 0.95, 0.99, 6).judged(0.95) == "yes"
    assert Kept(0.97, 0.9499, 0.99, 6).judged(0.95) == "open"
    assert Kept(0.94, 0.93, 0.9501, 6).judged(0.95) == "open"
    assert Kept(0.94, 0.93, 0.9499, 6).judged(0.95) == "**below**"
    assert Kept(0.5, 0.4, 0.6, 2).judged(0.95) == "too few starts"


def test_they_stand_in_a_table_of_their_own(tmp_path: Path) -> None:
    samples = {
        "Hilum": Samples([1.0] * 6, cpu=[0.1] * 6, count=[1] * 6),
        "Hilum, auth": Samples([1.01] * 6, cpu=[0.102] * 6, count=[1] * 6),
        "Hilum, tls": Samples([2.0] * 6, cpu=[0.2] * 6, count=[1] * 6),
        "storescp": Samples([1.0] * 6),
        "storescp, tls": Samples([1.25] * 6),
    }
    found = Results(guards={key(ROW): Measured("2026-01-01", 6, samples)})
    save(found, tmp_path / "results.json")
    page = report(load(tmp_path / "results.json"), ROWS)
    line = next(each for each in page.splitlines() if each.startswith(f"| {ROW.name} | 6 |"))
    assert "| 99.0 % (99.0 to 99.0) | yes | 1.020 (1.020 to 1.020) |" in line
    assert "| 50.0 % (50.0 to 50.0) | **below** | 2.000 (2.000 to 2.000) |" in line
    assert line.endswith("| 80.0 % (80.0 to 80.0) |")


def test_ours_are_asked_one_after_another_in_each_order() -> None:
    systems = [System(name=name, port=0, aet="", ours=name in "ABC") for name in "ADBC"]
    turns = ["".join(each.name for each in order) for order in islice(orders(systems), 6)]
    assert {turn[:3] for turn in turns} == {"ABC", "ACB", "BAC", "BCA", "CAB", "CBA"}
    assert {turn[3:] for turn in turns} == {"D"}


def test_a_slice_is_short_and_what_is_asked_stays_what_it_is(tmp_path: Path) -> None:
    plan = Plan(Corpus(tmp_path), Extent(), Choice(workers=(1, 2)))
    found = compared(plan, [Guard.TLS], tmp_path)
    assert found.corpus == plan.corpus
    assert found.extent.seconds < plan.extent.seconds
    assert (found.choice.workers, found.choice.guards) == ((1,), [Guard.TLS])
    assert {row.group for row in of_interest(ROWS)} == {"archive"}


def test_a_folder_is_had_again_by_links_which_are_not_emptied(tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.mkdir()
    (source / "1.dcm").write_bytes(b"instance")
    (source / "index.db").write_bytes(b"index")
    with passing(tmp_path) as folder:
        linked(source, folder / "b")
        assert (folder / "b" / "index.db").read_bytes() == b"index"
        assert (folder / "b" / "1.dcm").samefile(source / "1.dcm")
    assert (folder / "b" / "index.db").stat().st_size == 0
    assert (source / "1.dcm").read_bytes() == b"instance"
    assert (source / "index.db").read_bytes() == b"index"
