import time
from typing import Any

import pytest

from hilum.core.matching import Verdict, combined_holds, element_holds, text_holds, verdict


@pytest.mark.parametrize(
    ("element", "wish", "expected"),
    [
        ({"vr": "LO", "Value": ["A", "B"]}, "B", True),
        ({"vr": "LO", "Value": [None, "B"]}, "B", True),
        ({"vr": "LO"}, "?*", False),
        (None, "x", False),
        ({"vr": "OB", "InlineBinary": "AA=="}, "AA==", False),
        ({"vr": "UN", "InlineBinary": "AA=="}, "x", False),
        ({"vr": "DT", "Value": ["20260102101112+0100"]}, "20260102091112+0000", True),
        ({"vr": "DT", "Value": ["20260102101112"]}, "20260101-20260103", True),
        ({"vr": "DT", "Value": ["20260102101112-0500"]}, "20260102-0500", True),
        ({"vr": "DT", "Value": ["20260102101112"]}, "20260103-", False),
        ({"vr": "DT", "Value": ["20260102101112"]}, "-20260103", True),
        ({"vr": "DT", "Value": ["20260102"]}, "2026-2027", True),
        ({"vr": "DT", "Value": ["nonsense"]}, "2026-2027", False),
        ({"vr": "TM", "Value": ["10"]}, "0959-1001", True),
        ({"vr": "AT", "Value": ["00080018"]}, "(0008,0018)", True),
        ({"vr": "US", "Value": [512]}, "512", True),
        ({"vr": "FD", "Value": [0.1]}, "1e-1", True),
        ({"vr": "US", "Value": [512]}, "x", False),
        ({"vr": "PN", "Value": [{"Alphabetic": "Müller^Jan"}]}, "muller^*", True),
        ({"vr": "PN", "Value": [{"Alphabetic": "Müller"}]}, "muller^*", True),
        ({"vr": "PN", "Value": [{"Ideographic": "山田"}]}, "=山田", True),
        ({"vr": "PN", "Value": [{"Ideographic": "山田"}]}, "山田=", False),
        ({"vr": "SQ", "Value": [{}]}, "x", False),
    ],
)
def test_a_value_holds_a_wish(element: dict[str, Any] | None, wish: str, *, expected: bool) -> None:
    assert element_holds(element, wish, fuzzy=False) is expected


def test_stars_do_not_make_matching_slow() -> None:
    began = time.process_time()
    assert not text_holds("*a" * 40 + "*b", "a" * 5000)
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("element", "tag", "wish", "says"),
    [
        ({"vr": "LO", "Value": ["A "]}, "00081030", "A", Verdict.HOLDS),
        ({"vr": "LO", "Value": ["a"]}, "00081030", "A", Verdict.CONTRADICTS),
        ({"vr": "LO", "Value": ["a"]}, "00081030", "?*", Verdict.HOLDS),
        ({"vr": "LO", "Value": [""]}, "00081030", "A", Verdict.EMPTY),
        ({"vr": "LO", "Value": [None]}, "00081030", "A", Verdict.EMPTY),
        ({"vr": "LO"}, "00081030", "A", Verdict.EMPTY),
        (None, "00081030", "A", Verdict.UNTOLD),
        ({"vr": "UN", "InlineBinary": "QQ=="}, "00081030", "A", Verdict.UNTOLD),
        ({"vr": "OB", "BulkDataURI": "x"}, "00081030", "A", Verdict.UNTOLD),
        ({"Value": ["CT"]}, "00080060", "MR\\CT", Verdict.HOLDS),
        ({"vr": "PN", "Value": [{"Alphabetic": "DOE^Jane"}]}, "00100010", "doe^*", Verdict.HOLDS),
        ({"vr": "PN", "Value": ["DOE^Jane"]}, "00100010", "roe", Verdict.CONTRADICTS),
        ({"vr": "IS", "Value": [7]}, "00200011", "07", Verdict.HOLDS),
        ({"vr": "IS", "Value": [0]}, "00200011", "1", Verdict.CONTRADICTS),
        ({"vr": "DA", "Value": ["20260102"]}, "00080020", "20260101-", Verdict.HOLDS),
        ({"vr": "DA", "Value": ["20260102"]}, "00080020", "2026*", Verdict.UNTOLD),
        ({"vr": "UI", "Value": ["1.2"]}, "0020000D", "1.3\\1.2", Verdict.HOLDS),
        ({"vr": "SQ", "Value": [{}]}, "00400275", {"00080050": "x"}, Verdict.EMPTY),
    ],
)
def test_an_attribute_says_something_of_a_key(
    element: dict[str, Any] | None, tag: str, wish: Any, says: Verdict
) -> None:
    assert verdict(element, tag, wish) is says


def items(*pairs: tuple[str | None, str | None]) -> dict[str, Any]:
    """A sequence of items with a procedure and a step, where they are told."""
    return {
        "vr": "SQ",
        "Value": [
            {
                tag: {"vr": "SH", "Value": [value]}
                for tag, value in zip(("00401001", "00400009"), pair, strict=True)
                if value is not None
            }
            for pair in pairs
        ],
    }


@pytest.mark.parametrize(
    ("element", "says"),
    [
        (items(("P", "S")), Verdict.HOLDS),
        (items(("x", "S"), ("P", "S")), Verdict.HOLDS),
        (items(("P", "x"), ("x", "S")), Verdict.CONTRADICTS),
        (items(("P", None)), Verdict.UNTOLD),
        (items(("P", None), ("x", "S")), Verdict.UNTOLD),
        (items(("P", ""), ("x", "S")), Verdict.EMPTY),
    ],
)
def test_one_item_must_hold_all(element: dict[str, Any], says: Verdict) -> None:
    assert verdict(element, "00400275", {"00401001": "P", "00400009": "S"}) is says


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("20260102", "0300", True),
        ("20260101", "0300", False),
        ("20260101", "2300", True),
        ("20260103", "1159", True),
        ("20260103", "1300", False),
        ("nonsense", "1159", False),
    ],
)
def test_two_ranges_may_be_one(date: str, time: str, *, expected: bool) -> None:
    day, hour = {"vr": "DA", "Value": [date]}, {"vr": "TM", "Value": [time]}
    assert combined_holds(day, hour, "20260101-20260103", "2200-1200") is expected
