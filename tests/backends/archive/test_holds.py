import orjson

from hilum.backends.archive.deflated import deflate
from hilum.backends.archive.holds import holds, key_text


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
