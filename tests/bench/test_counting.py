"""How much does it cost to count and tell of an operation? In calls, as time is not steady."""

import logging
import sys
from collections.abc import Callable

import pytest

from hilum.config.schema import Settings
from hilum.core import operations as ops
from hilum.core.correlation import Correlation, within
from hilum.core.records import Records, Tally
from hilum.model.identity import Level
from hilum.model.principal import Principal, Proof
from hilum.model.query import Query
from hilum.service.counted import Counted
from hilum.service.told import Several, Told


def find(title: str = "") -> ops.Find:
    who = Principal(title, Proof.AE_TITLE, ae_title=title)
    return ops.Find(mount="ARCHIVE", who=who, query=Query(level=Level.STUDY))


def whole(records: Records, operation: ops.Operation) -> None:
    tally = Tally(operation)
    records.began(tally)
    records.ended(tally, None)


def calls(work: Callable[[], None]) -> int:
    """Of functions, ours and the interpreter's."""
    count = 0

    def called(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_an_operation_is_counted_and_told_of_in_few_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("hilum.service.told"), "level", logging.INFO)
    counted, asked = Counted(Settings()), find()
    whole(counted, asked)  # the first of its kind makes room for all others
    assert calls(lambda: whole(counted, asked)) <= 36
    with within(Correlation("abc", told=[])):
        assert calls(lambda: whole(Several(counted, Told()), asked)) <= 66


def test_what_comes_by_the_wire_makes_nothing_grow() -> None:
    counted = Counted(Settings())
    for number in range(100):
        whole(counted, find(f"TITLE{number}"))
    assert sum(len(each.samples) for each in counted.families()) < 30
    assert not counted.running
