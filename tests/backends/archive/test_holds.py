import time
from typing import Any

import orjson
import pytest

from hilum.backends.archive.deflated import deflate
from hilum.backends.archive.holds import element_holds, holds, key_text, text_holds


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


def test_attributes_are_found_in_lines_and_in_json() -> None:
    attributes = {
        "00080070": {"vr": "LO", "Value": ['A"\n00100010":{"x']},
        "00081010": {"vr": "SH", "Value": ["S"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe"}]},
    }
    lines = [tag.encode() + b'":' + orjson.dumps(each) for tag, each in attributes.items()]
    text = orjson.dumps(attributes)
    other = text.replace(b"Doe", b"Roe")
    for where in (
        (b"\n".join(lines), b"", None),
        (lines[0], b"\n".join(lines[1:]), None),
        (b"", b"\n".join(lines), None),
        (deflate(text), None, None),
        (deflate(text, other), None, deflate(other)),
    ):
        for asked, expected in (
            ({"00100010": "doe"}, 1), ({"00081010": "S"}, 1), ({"00081010": "s"}, 0),
            ({"00081011": "S"}, 0), ({"00081010": "S", "00100010": "x"}, 0),
        ):  # fmt: skip
            assert holds(key_text(asked, fuzzy=False), *where) == expected


def test_stars_do_not_make_matching_slow() -> None:
    began = time.monotonic()
    assert not text_holds("*a" * 40 + "*b", "a" * 5000)
    assert time.monotonic() - began < 1.0
