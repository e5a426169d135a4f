# ruff: noqa: DTZ001 - offsets stand beside their times
from datetime import datetime

import pytest

from hilum.core.wanted import (
    Names,
    Numbers,
    Spans,
    Texts,
    is_universal,
    moment,
    number_of,
    parse,
)
from hilum.model.errors import BadQuery

NOON = datetime(2024, 2, 10, 11, 12, 13)


@pytest.mark.parametrize(
    ("vr", "value", "wanted"),
    [
        ("LO", "A\\B", Texts(("A", "B"))),
        ("LO", " A ", Texts(("A",))),
        ("LT", "A\\B", Texts(("A\\B",))),
        ("UI", "1.2\\1.3\\", Texts(("1.2", "1.3"))),
        ("AT", "(0008,0018)\\0010000d", Texts(("00080018", "0010000D"))),
        ("DA", "20260102", Spans((("20260102", "20260102"),))),
        ("DA", "2026.01.02", Spans((("20260102", "20260102"),))),
        ("DA", "2026-01-02", Spans((("20260102", "20260102"),))),
        ("DA", "20260101-20260131", Spans((("20260101", "20260131"),))),
        ("DA", "20260101 - 20260131", Spans((("20260101", "20260131"),))),
        ("DA", "-20260131", Spans((("", "20260131"),))),
        ("DA", "20260101-", Spans((("20260101", ""),))),
        ("DA", "20260101\\20260103-", Spans((("20260101",) * 2, ("20260103", "")))),
        ("TM", "10", Spans((("100000.000000", "105959.999999"),))),
        ("TM", "1011-12", Spans((("101100.000000", "125959.999999"),))),
        ("TM", "10:11:12.5", Spans((("101112.500000", "101112.599999"),))),
        ("IS", "007\\1e3", Numbers((7, 1000))),
        ("DS", "1.50", Numbers((1.5,))),
        ("US", "512", Numbers((512,))),
        ("PN", "Doe*", Names(("doe*",))),
        ("PN", "A=B", Names((("a", "b", ""),))),
    ],
)
def test_values_are_read(vr: str, value: str, wanted: object) -> None:
    assert parse(vr, value) == wanted


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("DA", "2026"), ("DA", "-"), ("DA", "a-b"), ("DA", "20260101-x"), ("TM", "noon"),
        ("TM", "-"),
        ("DT", "x"), ("DT", "-"), ("IS", "1*"), ("DS", "nan"), ("AT", "8,18"), ("OB", "1"),
        ("SQ", "1"), ("UN", "1"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_refused(vr: str, value: str) -> None:
    with pytest.raises(BadQuery):
        parse(vr, value)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024", datetime(2024, 1, 1), datetime(2024, 12, 31, 23, 59, 59, 999999)),
        ("202402", datetime(2024, 2, 1), datetime(2024, 2, 29, 23, 59, 59, 999999)),
        ("20240210", datetime(2024, 2, 10), datetime(2024, 2, 10, 23, 59, 59, 999999)),
        ("2024021011", datetime(2024, 2, 10, 11), datetime(2024, 2, 10, 11, 59, 59, 999999)),
        ("202402101112", datetime(2024, 2, 10, 11, 12), datetime(2024, 2, 10, 11, 12, 59, 999999)),
        ("20240210111213", datetime(2024, 2, 10, 11, 12, 13), NOON.replace(microsecond=999999)),
        ("20240210111213.5", NOON.replace(microsecond=500000), NOON.replace(microsecond=599999)),
    ],
)  # fmt: skip
def test_a_moment_is_as_long_as_it_is_precise(text: str, first: datetime, last: datetime) -> None:
    assert moment(text) == (first, None)
    assert moment(text, last=True) == (last, None)
    assert moment(text + "-0530") == (first, -330)


def test_no_moment_is_none() -> None:
    assert moment("20240230") is None
    assert moment("2024023011121399") is None


def test_numbers_are_equal_however_they_are_written() -> None:
    assert number_of("007") == number_of(7) == number_of("7.0") == number_of(7.0)
    assert number_of("9007199254740993") == 9007199254740993
    assert [number_of(each) for each in ("1_0", "", None, True)] == [None] * 4


@pytest.mark.parametrize(
    ("vr", "value", "universal"),
    [("LO", "*", True), ("LO", "", True), ("LO", "**", True), ("LO", "?", False), ("DA", "*", True),
     ("PN", "*^*", True), ("PN", "^", True), ("PN", "*=*", True), ("LO", "^", False)],
)  # fmt: skip
def test_stars_alone_ask_for_nothing(vr: str, value: str, *, universal: bool) -> None:
    assert is_universal(value, vr) is universal
