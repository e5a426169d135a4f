import pytest

from hilum.codec.malformed import MOST, malformed


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("DA", "20260131"),
        ("DA", "2026.01.31"),
        ("DA", "00000000"),
        ("TM", "10"),
        ("TM", "101112.123456789"),
        ("TM", "10:11:12"),
        ("DT", "2026"),
        ("DT", "20260131101112.5+0100"),
        ("DT", "202601-0500"),
        ("AS", "045Y"),
        ("UI", "1.2.840.10008.1.2"),
        ("LO", "anything"),
        ("DA", None),
    ],
)
def test_values_of_the_field_pass(vr: str, value: str | None) -> None:
    assert malformed({"00100030": {"vr": vr, "Value": [value]}}) == []


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("DA", "notadate"),
        ("DA", "20261301"),
        ("DA", "20260132"),
        ("DA", "2026"),
        ("TM", "99"),
        ("TM", "1061"),
        ("DT", "tomorrow"),
        ("AS", "22Y"),
        ("UI", "1.2.x"),
        ("UI", "1" * 65),
    ],
)
def test_other_values_are_told_of_by_tag(vr: str, value: str) -> None:
    said = malformed({"00100030": {"vr": vr, "Value": [value]}})
    assert said == [f"(0010,0030) has a value that is no {vr}"]


def test_items_are_looked_into_and_each_tag_is_named_once() -> None:
    item = {"00400002": {"vr": "DA", "Value": ["x", "y"]}, "00100020": {"vr": "LO"}}
    said = malformed({"00400100": {"vr": "SQ", "Value": [item, item]}, "00081140": {"vr": "SQ"}})
    assert said == ["(0040,0002) has a value that is no DA"]


def test_not_more_are_named_than_can_be_read() -> None:
    many = {f"{0x00110010 + n:08X}": {"vr": "DA", "Value": ["x"]} for n in range(2 * MOST)}
    assert len(malformed(many)) == MOST
