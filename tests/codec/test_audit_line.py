import json
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilum.codec.audit_line import encode, moment, parse
from hilum.model.audit import Action, Event, Kind, Outcome, Recorded
from hilum.model.identity import Level
from hilum.model.principal import Principal, Proof

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
counts = st.dictionaries(texts, st.integers(0, 2**40), max_size=3).map(MappingProxyType)
principals = st.builds(
    Principal,
    name=texts,
    proof=st.sampled_from(Proof),
    ae_title=texts,
    address=texts,
    certificate=texts,
    claims=st.just({}),
    grants=st.just(()),
    token=st.none(),
    expires=st.none(),
)
plain = st.builds(
    Event,
    kind=st.sampled_from(Kind),
    who=principals,
    mount=texts,
    request_id=texts,
    outcome=st.sampled_from(Outcome),
    action=st.sampled_from(Action),
    why=texts,
    study=texts,
    patient=texts,
    instances=counts,
    comes=st.booleans(),
    to=texts,
    level=st.none(),
    keys=st.just(MappingProxyType({})),
    count=st.integers(1, 2**40),
)
queries = st.builds(
    Event,
    kind=st.just(Kind.QUERY),
    level=st.sampled_from(Level),
    keys=st.dictionaries(st.sampled_from(["00100010", "00400275.00400007"]), texts).map(
        MappingProxyType
    ),
)
records = st.builds(
    Recorded,
    event=plain | queries,
    time=st.integers(0, 4 * 10**12),
    host=texts,
    process=st.integers(0, 2**31),
)


@settings(max_examples=50)
@given(records)
def test_a_line_tells_what_was_written(recorded: Recorded) -> None:
    line = encode(recorded)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert parse(line) == recorded


def test_what_is_empty_is_left_out() -> None:
    recorded = Recorded(event=Event(kind=Kind.START), time=1_000, host="here", process=7)
    assert json.loads(encode(recorded)) == {
        "time": "1970-01-01T00:00:01.000Z",
        "event": "application start",
        "outcome": 0,
        "action": "E",
        "host": "here",
        "process": 7,
    }


def test_half_a_character_from_outside_does_not_keep_a_line_from_being_written() -> None:
    event = Event(kind=Kind.NODE, who=Principal(ae_title="\udcff"), why="\ud800")
    line = encode(Recorded(event=event, time=0, host="h", process=1))
    assert parse(line).event.who.ae_title == "?"


@pytest.mark.parametrize(
    "line", [b"", b"x", b"[]", b"{}", b"1", b'{"time": 1}', b'{"event":"query","outcome":0']
)
def test_what_is_no_line_is_said_to_be_none(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any text
        parse(line)


def test_a_moment_is_written_in_milliseconds() -> None:
    assert moment(1_795_305_600_007) == "2026-11-22T00:00:00.007Z"
