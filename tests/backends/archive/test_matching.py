# ruff: noqa: RUF001 - names in many scripts
"""Queries with names in many scripts, and at every level, against plain oracles."""

import asyncio
import json
import tempfile
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.backends.archive import opened
from tests.contract import made
from tests.contract.made import Made, uid

from hilum.backends.archive import Archive
from hilum.backends.memory import Memory
from hilum.config.mounts import ArchiveMount
from hilum.model.identity import Level
from hilum.model.query import Query

NAMES = [
    "Doe^Jane", "DOE^JOHN^Q", "Müller^Jörg", "Mueller^Jorg", "Łukasz^Żółć", "Søren^Ægir",
    "Straße^Udo",
    "O'Neil^Mary Ann", "Smith-Jones^Al", "Ñandú^José", "İnci^Ayşe", "Иванов^Пётр", "Ελένη^Παπά",
    "Yamada^Tarou=山田^太郎=やまだ^たろう", "=山川^花子", "==がくせい^か",
    "ガクセイ^ダ", "かくせい^た",
    "김^희중=金^喜中", "Wang^XiaoDong=王^小东",
    "محمد^علي", "מָשֶׁה^כֹּהֵן", "สมชาย^ดี", "मुकेश^कुमार", "Doe", "Doe^^^Dr",
    "*^?", "[x]^y", "a%b_c^d", "Nguyễn^Thị Hồng",
    "e\u0301douard^A", "Édouard^A", "ＦＵＬＬ^ｗｉｄｔｈ",
]  # fmt: skip
LETTERS = {"ł": "l", "ø": "o", "æ": "ae", "ß": "ss", "ı": "i"}


def plain(text: str) -> str:
    """One letter at a time, by its name: what a reader would take for the same letter."""
    result = ""
    for each in unicodedata.normalize("NFKC", text):
        lower = unicodedata.normalize("NFD", each.casefold())
        script = unicodedata.name(each, "").split(" ")[0]
        if script in ("LATIN", "GREEK", "CYRILLIC", "MICRO"):
            lower = "".join(part for part in lower if unicodedata.category(part) != "Mn")
        elif script in ("HEBREW", "ARABIC", "COMBINING"):
            lower = "" if unicodedata.category(each) == "Mn" else lower
        result += "".join(LETTERS.get(part, part) for part in lower)
    return unicodedata.normalize("NFC", result)


def like(pattern: str, text: str) -> bool:
    """`*` and `?`, one step at a time; NUL stands for a `^` that could follow."""
    if not pattern:
        return not text.strip("\0")
    if pattern[0] == "*":
        return like(pattern[1:], text) or (bool(text) and like(pattern, text[1:]))
    same = text[:1] == pattern[0] or (text[:1] == "\0" and pattern[0] == "^")
    any_one = pattern[0] == "?" and text[:1] != "\0"
    return bool(text) and (same or any_one) and like(pattern[1:], text[1:])


def trimmed(text: str) -> str:
    return "^".join(part.strip() for part in plain(text).split("^")).rstrip("^")


def name_matches(asked: str, stored: str) -> bool:
    groups = [trimmed(part) for part in stored.split("=")]
    if "=" in asked:
        parts = [trimmed(part) for part in asked.split("=")]
        groups += [""] * (3 - len(groups))
        return any(parts) and all(
            not part or (bool(group) and one(part, group))
            for part, group in zip(parts, groups, strict=False)
        )
    return any(group and one(trimmed(asked), group) for group in groups)


def one(pattern: str, group: str) -> bool:
    """Empty components at the end do not count: "doe^*" is "doe" as well."""
    return like(pattern, group + "\0" * 5)


@lru_cache(maxsize=1)
def runner() -> tuple[asyncio.Runner, Archive, Memory]:
    """One archive, and a memory, with the same instances, for all examples."""
    folder = Path(tempfile.mkdtemp())
    run = asyncio.Runner()
    archive = Archive(ArchiveMount(durability="relaxed"), folder, "HERE")
    archive.start()
    memory = Memory("HERE")

    async def fill() -> None:
        await opened.keep(archive, *world())
        async with memory.open() as session:
            for each in world():
                assert (await session.store(each.instance())).failure is None

    run.run(fill())
    return run, archive, memory


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    yield
    run, archive, _ = runner()
    archive.stop()
    run.close()
    runner.cache_clear()


def world() -> list[Made]:
    """Names alone, then studies of one to two series of one to two instances."""
    instances = [made.made(n, PatientName=name) for n, name in enumerate(NAMES, 1)]
    places = [
        (n, series, number)
        for n in range(100, 112)
        for series in range(1, 1 + n % 3)
        for number in range(1, 2 + n % 2)
    ]
    return instances + [made.made(n, s, i, **attributes(n, s, i)) for n, s, i in places]


def attributes(n: int, series: int, number: int) -> dict[str, Any]:
    """Some of everything, by the numbers."""
    return {
        "PatientID": f"Q{n % 4}",
        "StudyDate": f"2026{n % 12 + 1:02}15",
        "StudyTime": ["0800", "123000", "235959.9", None][n % 4],
        "AccessionNumber": ["", "a", "A", "Ab*"][n % 4],
        "Modality": ["CT", "MR", "US"][(n + series) % 3],
        "SeriesDescription": ["T1", "t1 ax", None][(n + series) % 3],
        "SliceThickness": ["1", "1.0", "2.5"][(n + number) % 3],
        "ImageType": ["ORIGINAL", ["PRIMARY", "SECONDARY"][number % 2]],
        "BodyPartExamined": [["HEAD", "NECK"], "HEAD", None][n % 3],
        "RequestAttributesSequence": [
            {"ScheduledProcedureStepID": f"S{n % 2}", "RequestedProcedureID": "R"},
            {"ScheduledProcedureStepID": "S9", "RequestedProcedureID": f"R{series}"},
        ],
    }


def ask(backend: Archive | Memory, query: Query) -> list[str]:
    tag = {Level.PATIENT: "00100020", Level.STUDY: "0020000D", Level.SERIES: "0020000E"}

    async def run() -> list[str]:
        async with backend.find(query) as matches:
            found = [json.loads(each.dicom_json()) async for each in matches]
        return [each[tag.get(query.level, "00080018")]["Value"][0] for each in found]

    return runner()[0].run(run())


pieces = st.sampled_from([piece for name in NAMES for piece in (name, *name.split("="))])


@st.composite
def patterns(draw: st.DrawFn) -> str:
    """A name, or a part of it, changed as people change it."""
    text = draw(pieces)
    change = draw(st.sampled_from(["as it is", "upper", "lower", "NFD", "NFKC"]))
    if change in ("upper", "lower"):
        text = getattr(text, change)()
    elif change != "as it is":
        text = unicodedata.normalize(change, text)  # type: ignore[arg-type] # one of its forms
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, len(text)))
    form = draw(st.sampled_from(["{}", "{}*", "*{}", "*{}*", "{}^*", "?{}"]))
    whole = draw(st.booleans())
    return form.format(text if whole else text[start:end])


@settings(suppress_health_check=list(HealthCheck))
@given(patterns())
def test_names_match_as_a_reader_would_match_them(pattern: str) -> None:
    if unicodedata.combining(pattern.lstrip("*?")[:1] or "x") or "\\" in pattern:
        return  # begins in the middle of a letter
    found = ask(runner()[1], Query(Level.STUDY, {(0x00100010,): pattern}))
    universal = not pattern.strip("*^= ")
    expected = [
        uid(n) for n, name in enumerate(NAMES, 1) if universal or name_matches(pattern, name)
    ]
    if universal or name_matches(pattern, "Doe^Jane"):
        expected += [uid(n) for n in range(100, 112) if n % 3]
    assert found == expected, pattern


KEYS: dict[tuple[int, ...], list[str]] = {
    (0x00100020,): ["Q1", "Q?", "q1", "Q1\\Q2", "*", "P*"],
    (0x00080020,): ["20260515", "20260501-20260831", "20260601-", "-20260601", "20261315"],
    (0x00080030,): ["0800", "080000", "12-13", "2359-", "-0900", "123000"],
    (0x00080050,): ["a", "A", "?", "Ab*", "A*", "[aA]"],
    (0x00080060,): ["CT", "MR\\US", "?T", "ct"],
    (0x00080061,): ["CT", "US\\CT", "M*"],
    (0x0008103E,): ["T1", "T*", "*1*", "t1 ax"],
    (0x00180015,): ["NECK", "HEAD", "H*"],
    (0x00180050,): ["1", "1.00", "2.5\\7"],
    (0x00080008,): ["PRIMARY", "ORIGINAL", "SEC*", "DERIVED"],
    (0x00200011,): ["1", "02"],
    (0x00200013,): ["1", "2", "3"],
    (0x00201206,): ["1", "2"],
    (0x00201208,): ["2", "4"],
    (0x00201209,): ["1", "2"],
    (0x00201200,): ["2", "3"],
    (0x00400275, 0x00400009): ["S1", "S?"],
    (0x00400275, 0x00401001): ["R", "R1"],
    (0x0020000E,): [uid(101, 1), f"{uid(101, 2)}\\{uid(104, 1)}"],
    (0x00080018,): [uid(101, 1, 1), f"{uid(101, 2, 2)}\\{uid(104, 1, 1)}"],
    (0x0020000D,): [uid(101), f"{uid(101)}\\{uid(104)}"],
}


@settings(suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(list(Level)),
    st.lists(st.sampled_from(list(KEYS)), max_size=4, unique=True),
    st.data(),
)
def test_keys_of_all_levels_match_at_all_levels_as_in_memory(
    level: Level, keys: list[tuple[int, ...]], data: st.DataObject
) -> None:
    match = {key: data.draw(st.sampled_from(KEYS[key]), label=str(key)) for key in keys}
    page: dict[str, Any] = {
        "limit": data.draw(st.sampled_from([None, None, 3])),
        "offset": data.draw(st.sampled_from([0, 0, 2])),
    }
    _, archive, memory = runner()
    query = Query(level, match, **page)
    assert ask(archive, query) == ask(memory, query)
