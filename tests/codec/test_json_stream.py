import json
import random
import time

import pytest

from hilum.codec.json_stream import JsonStream
from hilum.model.errors import BadDataset, TooLarge

OBJECTS = [
    {},
    {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}},
    {"a": 'quoted " \\ } ] { [ ,', "b": {"c": [{"d": "}"}, {"e": "{"}, []]}},
    {"é": "日本^太郎", "n": [None, True, -1.5e9]},
    {"deep": {"deep": {"deep": [{"deep": [{"deep": "\\"}]}]}}},
    {"backslashes": "\\\\", "more": '\\"'},
]


def objects(text: bytes, step: int, **limits: int) -> list[object]:
    stream = JsonStream(**limits)
    found = []
    for at in range(0, len(text), step):
        found += [json.loads(each) for each in stream.feed(text[at : at + step])]
    stream.close()
    return found


def collect(stream: JsonStream, piece: bytes) -> None:
    for _ in range(100):
        list(stream.feed(piece))


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 10_000])
@pytest.mark.parametrize("indent", [None, 2])
def test_the_cuts_of_the_network_do_not_show(step: int, indent: int | None) -> None:
    text = json.dumps(OBJECTS, indent=indent, ensure_ascii=False).encode()
    assert objects(text, step) == OBJECTS


@pytest.mark.parametrize(
    "text", [b"", b"  \r\n", b"\xef\xbb\xbf", b"[]", b" [ \n ] ", b"\xef\xbb\xbf[]"]
)
@pytest.mark.parametrize("step", [1, 100])
def test_nothing_is_written_in_many_ways(text: bytes, step: int) -> None:
    assert objects(text, step) == []


@pytest.mark.parametrize("step", [1, 2, 100])
def test_an_object_alone_stands_for_an_array_of_it(step: int) -> None:
    assert objects(b'\xef\xbb\xbf {"a": {"b": 1}} \n', step) == [{"a": {"b": 1}}]


@pytest.mark.parametrize(
    "text",
    [
        b"<html>", b"null", b'"text"', b"[1]", b'["{}"]', b"[[{}]]", b"[{}] []", b"[{}]x", b"{} {}",
        b"[{}", b"[", b'[{"a": "', b'[{"a": 1}, {"b"', b"{", b"[{}x{}]", b"{]", b'[{"a": "\\',
    ],
)  # fmt: skip
@pytest.mark.parametrize("step", [1, 100])
def test_what_is_no_array_of_objects_is_refused(text: bytes, step: int) -> None:
    with pytest.raises(BadDataset):
        objects(text, step)


def test_objects_come_as_soon_as_they_are_whole() -> None:
    stream = JsonStream()
    assert list(stream.feed(b'[{"a": 1}, {"b"')) == [b'{"a": 1}']
    assert not stream.done
    assert list(stream.feed(b": 2}")) == [b'{"b": 2}']
    assert list(stream.feed(b"]")) == []
    assert stream.done


@pytest.mark.parametrize("begin", [b'[{"a": "', b'[{"a": [', b'{"a": {"b": {'])
def test_an_object_without_end_is_not_held(begin: bytes) -> None:
    stream = JsonStream(1000)
    list(stream.feed(begin))
    with pytest.raises(TooLarge):
        collect(stream, b"x" * 50)


@pytest.mark.parametrize("begin", [b"[", b"", b"[{}", b"[{},"])
def test_blanks_without_end_are_not_read_for_ever(begin: bytes) -> None:
    stream = JsonStream(1000)
    list(stream.feed(begin))
    with pytest.raises(TooLarge):
        collect(stream, b" " * 50)


def test_it_is_fast_and_long_strings_cost_no_more_than_their_length() -> None:
    rows = [{f"{tag:08X}": {"vr": "LO", "Value": [f"value {tag}"]} for tag in range(60)}] * 500
    long = [{"InlineBinary": "A" * 8_000_000}]
    for made in (rows, long):
        text = json.dumps(made).encode()
        began = time.process_time()
        stream = JsonStream()
        found = sum(
            len(list(stream.feed(text[at : at + 65536]))) for at in range(0, len(text), 65536)
        )
        assert found == len(made)
        assert time.process_time() - began < 2.0


def test_random_cuts_of_random_rubbish_never_raise_anything_else() -> None:
    seeded = random.Random(7)  # noqa: S311 - no secret
    for _ in range(3000):
        text = bytes(seeded.choice(b'[]{}",:\\ a1\n') for _ in range(seeded.randrange(30)))
        try:
            objects(text, seeded.randrange(1, 5))
        except (BadDataset, json.JSONDecodeError):
            continue


def test_crumbs_cost_no_more_behind_a_big_object() -> None:
    stream = JsonStream()
    assert list(stream.feed(b'[{"x": "' + b"a" * 16_000_000)) == []
    began = time.monotonic()
    for _ in range(20_000):
        list(stream.feed(b"a"))
    assert time.monotonic() - began < 10  # a copy of all for each takes half a minute
    assert [len(each) for each in stream.feed(b'"}]')] == [16_020_009]
