import time

import pytest

from hilum.frontends.dicomweb import reports
from hilum.frontends.dicomweb.reports import Reports
from hilum.model.errors import NotFound


def test_a_report_is_of_one_mount() -> None:
    kept = Reports()
    name = kept.add("A", {"missing": ["1.2"]})
    assert kept.get("A", name) == {"id": name, "missing": ["1.2"]}
    assert kept.get("B", name) is None
    with pytest.raises(NotFound):
        kept.remove("B", name)
    kept.remove("A", name)
    assert kept.get("A", name) is None


def test_old_ones_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Reports()
    name = kept.add("A", {})
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + reports.LINGER + 1)
    assert kept.get("A", name) is None


def test_there_is_an_end_to_how_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MOST", 10)
    kept = Reports()
    names = [kept.add("A", {"missing": ["1.2"] * 4}) for _ in range(5)]
    assert [kept.get("A", name) is not None for name in names] == [False] * 3 + [True] * 2
    alone = kept.add("A", {"missing": ["1.2"] * 40})
    assert kept.get("A", alone) is not None
    assert kept.get("A", names[-1]) is None


def test_its_name_tells_which_process_has_it() -> None:
    kept = Reports("-3")
    name = kept.add("A", {})
    assert name.endswith("-3")
    assert kept.get("A", name) == {"id": name}
