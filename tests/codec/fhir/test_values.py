from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fhir import PRIMITIVES

from hilum.codec.fhir import values
from hilum.codec.fhir.values import Systems

BERLIN = ZoneInfo("Europe/Berlin")


def told(**attributes: Any) -> dict[str, Any]:
    return {tag[1:]: {"vr": "LO", "Value": [value]} for tag, value in attributes.items()}


@pytest.mark.parametrize(
    ("date", "time", "offset", "zone", "written"),
    [
        ("20260102", "101112", "", None, "2026-01-02"),
        ("20260102", "101112", "", BERLIN, "2026-01-02T10:11:12+01:00"),
        ("20260702", "101112", "", BERLIN, "2026-07-02T10:11:12+02:00"),
        ("20260102", "101112.5", "-0330", BERLIN, "2026-01-02T10:11:12.5-03:30"),
        ("2026.01.02", "1011", "+0000", None, "2026-01-02T10:11:00+00:00"),
        ("20260102", "10", "+0100", None, "2026-01-02"),
        ("20260102", "235960", "+0100", None, "2026-01-02T23:59:59+01:00"),
        ("20260102", "250000", "+0100", None, "2026-01-02"),
        ("20260102", "101112", "+9900", None, "2026-01-02"),
        ("20260230", "101112", "+0100", None, None),
        ("", "101112", "+0100", None, None),
        ("18800101", "101112", "", BERLIN, "1880-01-01T10:11:12+00:53"),
    ],
)
def test_moments(date: str, time: str, offset: str, zone: Any, written: str | None) -> None:
    attributes = told(_00080020=date, _00080030=time, _00080201=offset)
    assert values.moment(attributes, "00080020", "00080030", zone) == written


def test_a_name_has_a_text_for_each_group() -> None:
    name = {
        "Alphabetic": "Yamada^Tarou^^Dr.^Jr.",
        "Ideographic": "山田^太郎",
        "Phonetic": "やまだ^たろう",
    }
    first, second, third = values.names(told(_00100010=name), "00100010")
    assert first["text"] == "Dr. Tarou Yamada Jr."
    assert (first["prefix"], first["suffix"]) == (["Dr."], ["Jr."])
    assert (second["family"], second["given"], second["text"]) == ("山田", ["太郎"], "山田 太郎")
    codes = [each["extension"][0]["valueCode"] for each in (first, second, third)]
    assert codes == ["ABC", "IDE", "SYL"]


def test_a_name_of_one_group_needs_no_extension() -> None:
    found = values.names(told(_00100010={"Alphabetic": "Adams^John Robert^Quincy"}), "00100010")
    assert found == [
        {
            "text": "John Robert Quincy Adams",
            "family": "Adams",
            "given": ["John", "Robert", "Quincy"],
        }
    ]
    assert values.names(told(_00100010={"Alphabetic": "^^^"}), "00100010") == []


@pytest.mark.parametrize(
    ("kind", "universal", "system"),
    [
        ("ISO", "1.2.3", "urn:oid:1.2.3"),
        ("UUID", "F81D4FAE", "urn:uuid:f81d4fae"),
        ("URI", "https://x.example/a", "https://x.example/a"),
        ("DNS", "x.example", None),
        ("ISO", "none", None),
    ],
)
def test_an_issuer_that_is_universal_is_a_system(
    kind: str, universal: str, system: str | None
) -> None:
    item = told(_00400031="LOCAL", _00400032=universal, _00400033=kind)
    attributes = {"00080051": {"vr": "SQ", "Value": [item]}}
    assert values.issued(attributes, "00080051", Systems()) == ("LOCAL", system)
    known = Systems(issuers={"LOCAL": "urn:oid:9"})
    assert values.issued(attributes, "00080051", known) == ("LOCAL", "urn:oid:9")


TEXT = st.lists(st.sampled_from("ab^=0123456789.:+- \x00\x1b\n\xa0ü山"), max_size=12).map("".join)
ANY = st.dictionaries(
    st.sampled_from(["00100010", "00100020", "00080020", "00080030", "00080201", "00081032"]),
    st.fixed_dictionaries({"Value": st.lists(TEXT | st.none() | st.integers(), max_size=3)}),
)


@given(ANY)
def test_whatever_stands_there_becomes_something_that_fhir_takes(attributes: Any) -> None:
    started = values.moment(attributes, "00080020", "00080030", BERLIN)
    assert started is None or PRIMITIVES["dateTime"].fullmatch(started)
    for name in values.names(attributes, "00100010"):
        assert PRIMITIVES["string"].fullmatch(name["text"])
    values.concepts(attributes, "00081032")
    assert all(PRIMITIVES["string"].fullmatch(e) for e in values.texts(attributes, "00100020"))
