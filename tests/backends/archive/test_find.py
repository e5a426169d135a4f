import asyncio
import json
import time
from pathlib import Path

import pytest
from tests.backends.archive import opened
from tests.backends.archive.opened import find, keep, numbers
from tests.contract import made
from tests.contract.made import uid

from hilum.backends.archive import select
from hilum.backends.archive.match import conditions
from hilum.backends.archive.select import Read
from hilum.model.errors import BadQuery
from hilum.model.identity import Level
from hilum.model.query import Query

pytestmark = pytest.mark.anyio

NAME, STUDY, SERIES, INSTANCE = (0x00100010,), (0x0020000D,), (0x0020000E,), (0x00080018,)


async def test_long_answers_come_in_their_order_while_others_store(tmp_path: Path) -> None:
    async with opened.archive(tmp_path, durability="relaxed") as archive:
        await keep(archive, *(made.made(n) for n in range(1, 451)))
        async with archive.find(Query(Level.STUDY, offset=3)) as matches:
            found = [json.loads((await anext(matches)).dicom_json())]
            await keep(archive, made.made(999))  # a slow reader locks nobody out
            archive._writer.flush()
            assert archive._writer._index.checkpoint()  # nor keeps it the log from being emptied
            found += [json.loads(each.dicom_json()) async for each in matches]
    assert [each["0020000D"]["Value"] for each in found] == [[uid(n)] for n in range(4, 451)]


async def test_who_leaves_stops_the_search_at_once(tmp_path: Path) -> None:
    async with opened.archive(tmp_path, durability="relaxed") as archive:
        await keep(archive, *(made.made(n) for n in range(1, 401)))
        slow = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        )
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(archive._readers.run(lambda cursor: cursor.rows(slow)))
            await asyncio.sleep(0.2)
            task.cancel()
        assert time.monotonic() - began < 20.0
        for _ in range(20):  # the connection that was interrupted works as before
            assert len(await numbers(archive, "0020000D", Level.STUDY)) == 400
    assert time.monotonic() - began < 40.0  # closing waited for nothing


@pytest.mark.parametrize(
    ("level", "match", "index"),
    [
        (Level.STUDY, {STUDY: uid(1)}, "study_instance_uid"),
        (Level.STUDY, {STUDY: f"{uid(1)}\\{uid(2)}"}, "study_instance_uid"),
        (Level.STUDY, {(0x00100020,): "P1"}, "ix_study_patient_id"),
        (Level.STUDY, {(0x00080050,): "A1"}, "ix_study_accession_number"),
        (Level.STUDY, {(0x00080020,): "20260101-20260102"}, "ix_study_study_date"),
        (Level.STUDY, {NAME: "doe^jane"}, "ix_study_patient_name_a"),
        (Level.STUDY, {SERIES: uid(1, 1)}, "ix_series_series_instance_uid"),
        (Level.STUDY, {INSTANCE: uid(1, 1, 1)}, "sop_instance_uid"),
        (Level.SERIES, {STUDY: uid(1)}, "study_instance_uid"),
        (Level.IMAGE, {SERIES: uid(1, 1)}, "ix_series_series_instance_uid"),
        (Level.IMAGE, {INSTANCE: uid(1, 1, 1)}, "sop_instance_uid"),
        (Level.PATIENT, {(0x00100020,): "P1"}, "ix_study_patient_id"),
    ],
)
async def test_usual_keys_are_looked_up_by_an_index(
    tmp_path: Path, level: Level, match: dict[tuple[int, ...], str], index: str
) -> None:
    asked = conditions(Query(level, match), "HERE")
    async with opened.archive(tmp_path) as archive:
        for ready in (select.rows(Read(level), asked), select.ids(level, asked)):
            values = ready.values([*asked.values(), 10, 0])
            plan = await archive._readers.run(
                lambda cursor, ready=ready, values=values: cursor.rows(  # type: ignore[misc] # bound
                    f"EXPLAIN QUERY PLAN {ready.text}", values
                )
            )
            steps = [row[3] for row in plan]
            assert any(index in step or (index + "=?") in step for step in steps), steps
            assert not any(
                step.startswith("SCAN") and "VIRTUAL" not in step and "CONSTANT" not in step
                for step in steps
            ), steps


async def test_the_sql_for_one_look_is_made_once(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await find(archive, Level.STUDY, t0020000D=uid(1))
        before = select._rows.cache_info().misses
        for n in range(5):
            await find(archive, Level.STUDY, t0020000D=uid(n))
        assert select._rows.cache_info().misses == before


async def test_values_that_do_not_fit_their_column_match_all_the_same(tmp_path: Path) -> None:
    data = made.encoded(made.dataset(StudyDate="20260102")).replace(b"20260102", b"2026.1.2")
    several = made.dataset(2)
    several.add_new(0x00080050, "SH", ["X1", "X2"])
    several.add_new(0x00100010, "PN", ["Doe^A", "Roe^B"])
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.Made(data, "", ""), made.of(several))
        for key, count in (
            ({"t00080050": "X2"}, 1), ({"t00080050": "X*"}, 1), ({"t00100010": "roe*"}, 1),
            ({"t00080050": "X3"}, 0), ({"t00080020": "20250101-"}, 1),
        ):  # fmt: skip
            assert len(await find(archive, Level.STUDY, **key)) == count


async def test_text_that_looks_like_our_own_notation_stays(tmp_path: Path) -> None:
    text = '{"BulkDataURI":"/bulkdata/x"}\n00100020":{'
    one = made.made(PatientComments=text, ImageComments=text, StudyDescription="a\nb")
    async with opened.archive(tmp_path) as archive:
        await keep(archive, one)
        for level, tag in ((Level.STUDY, "00104000"), (Level.IMAGE, "00204000")):
            query = Query(level, include=frozenset({(int(tag, 16),)}))
            async with archive.find(query) as matches:
                (answer,) = [json.loads(each.dicom_json("http://h")) async for each in matches]
            assert answer[tag]["Value"] == [text]


@pytest.mark.parametrize("value", ["a*\\" * 101, "a*\\" * 5000])
async def test_too_many_patterns_are_refused_and_many_values_are_not(
    tmp_path: Path, value: str
) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made())
        for key in ("t00100020", "t00100010", "t00200010"):
            with pytest.raises(BadQuery, match="more than 100"):
                await find(archive, Level.STUDY, **{key: value})
        assert len(await find(archive, Level.STUDY, t00100020="a*\\" * 99 + "P1")) == 1
        many = "\\".join(uid(n) for n in range(20_000))
        assert len(await find(archive, Level.STUDY, t0020000D=many)) == 1
        with pytest.raises(BadQuery, match="too deep"):
            async with archive.find(Query(Level.STUDY, {(0x00400275,) * 1000: "x"})):
                pass


async def test_required_attributes_are_there_without_a_value_if_need_be(tmp_path: Path) -> None:
    """Those of type R in PS3.18 Tables 10.6.3-3 to 10.6.3-5."""
    bare = made.made(
        **dict.fromkeys(
            (
                *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate"),
                *("StudyTime", "AccessionNumber", "StudyID", "ReferringPhysicianName"),
                *("Modality", "SeriesNumber", "InstanceNumber"),
            )
        )
    )
    async with opened.archive(tmp_path, durability="relaxed") as archive:
        await keep(archive, bare)
        (study,) = await find(archive, Level.STUDY)
        (series,) = await find(archive, Level.SERIES)
        (instance,) = await find(archive, Level.IMAGE)
    of_study = dict.fromkeys(("00080050", "00200010"), "SH")
    of_study |= {"00080020": "DA", "00080030": "TM", "00080090": "PN"}
    of_study |= {"00100010": "PN", "00100020": "LO", "00100030": "DA", "00100040": "CS"}
    of_series = {"00080060": "CS", "00200011": "IS"}
    for found, empty in (
        (study, of_study),
        (series, of_study | of_series),
        (instance, of_study | of_series | {"00200013": "IS"}),
    ):
        assert {tag: found.get(tag) for tag in empty} == {
            tag: {"vr": vr} for tag, vr in empty.items()
        }
        assert list(found) == sorted(found)


async def test_the_transfer_syntax_is_told_to_who_asks(tmp_path: Path) -> None:
    path = (0x00083002,)
    async with opened.archive(tmp_path, durability="relaxed") as archive:
        kept = made.made(1)
        await keep(archive, kept)
        told = {"00083002": {"vr": "UI", "Value": [kept.transfer_syntax_uid]}}
        for query in (
            Query(Level.IMAGE, include=frozenset({path})),
            Query(Level.IMAGE, include_all=True),
            Query(Level.IMAGE, include=frozenset({path, (0x00280004,)})),
        ):
            async with archive.find(query) as matches:
                (match,) = [each async for each in matches]
            assert json.loads(match.dicom_json()).items() >= told.items()
            assert match.decoded()["00083002"] == told["00083002"]
        async with archive.find(Query(Level.IMAGE)) as matches:
            assert "00083002" not in json.loads((await anext(matches)).dicom_json())


async def test_a_number_that_no_column_holds_is_found_nowhere(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made())
        assert await find(archive, Level.IMAGE, t00200013="99999999999999999999") == []
        assert len(await find(archive, Level.IMAGE, t00200013="1\\99999999999999999999")) == 1
