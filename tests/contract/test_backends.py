"""What every backend that keeps and finds must do, whatever it is made of."""

import asyncio
import json
import warnings
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian
from tests.contract import made
from tests.contract.made import Made, uid

from hilum.backends.archive import open_archive
from hilum.backends.memory import Memory
from hilum.config.mounts import ArchiveMount
from hilum.core.backend import (
    Deletes,
    Describes,
    Echoes,
    Finds,
    Lends,
    Lent,
    Retrieves,
    Stores,
)
from hilum.model.errors import (
    BackendFault,
    BadDataset,
    BadQuery,
    ClassMismatch,
    Conflict,
    NotFound,
)
from hilum.model.identity import Level, Ref
from hilum.model.instance import CHUNK, Instance
from hilum.model.outcome import Stored
from hilum.model.query import Query

pytestmark = pytest.mark.anyio

ROOT = "http://host/aets/A"
NAME, PATIENT_ID, MODALITY = (0x00100010,), (0x00100020,), (0x00080060,)
STUDY, SERIES, INSTANCE = (0x0020000D,), (0x0020000E,), (0x00080018,)
DATE, TIME, NUMBER, ROWS = (0x00080020,), (0x00080030,), (0x00200013,), (0x00280010,)
MODALITIES, COMMENTS = (0x00080061,), (0x00204000,)


class Backend(Echoes, Finds, Retrieves, Describes, Lends, Stores, Deletes, Protocol):
    """All that is asked of one."""


@pytest.fixture(params=["memory", "archive"])
async def backend(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backend]:
    if request.param == "memory":
        yield Memory("HERE")
    else:
        async with open_archive(ArchiveMount(durability="relaxed"), tmp_path, "HERE") as archive:
            yield archive


async def store(backend: Backend, *instances: Made, chunk: int = 65536) -> list[Stored]:
    async with backend.open() as session:
        return [await session.store(each.instance(chunk)) for each in instances]


async def keep(backend: Backend, *instances: Made) -> None:
    assert [each.failure for each in await store(backend, *instances)] == [None] * len(instances)


async def find(
    backend: Backend, level: Level, match: dict[Any, str] | None = None, **more: Any
) -> list[dict[str, Any]]:
    async with backend.find(Query(level, match or {}, **more)) as matches:
        return [json.loads(each.dicom_json(ROOT)) async for each in matches]


async def retrieved(backend: Backend, *refs: Ref) -> list[bytes]:
    async with backend.retrieve(refs) as retrieval:
        data = [b"".join([c async for c in each.chunks]) async for each in retrieval.instances]
        assert retrieval.manifest is not None
        assert [each.size for each in retrieval.manifest] == [len(each) for each in data]
        return data


def values(answers: Sequence[dict[str, Any]], tag: str) -> list[Any]:
    return [each.get(tag, {}).get("Value", [None])[0] for each in answers]


def house() -> list[Made]:
    """Two patients, three studies, four series, six instances."""
    return [
        made.made(1, 1, 1, SliceThickness="1.5"),
        made.made(1, 1, 2, SliceThickness="2.50"),
        made.made(1, 2, 1, Modality="MR", SeriesDescription="T1 axial"),
        made.made(2, 1, 1, PatientID="P1", StudyDate="20260301", StudyTime="235959.5"),
        made.made(
            3, 1, 1, PatientName="Müller^Łukasz=山田^太郎=やまだ^たろう", StudyDate="20251224"
        ),
        made.made(
            3, 1, 2, PatientName="Müller^Łukasz=山田^太郎=やまだ^たろう", StudyDate="20251224"
        ),
    ]


async def test_it_says_that_it_lives(backend: Backend) -> None:
    await backend.echo()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1000, CHUNK, CHUNK + 1, 3 * CHUNK + 17])
@pytest.mark.parametrize("chunk", [700_001, 4 * CHUNK])
async def test_what_goes_in_comes_out_byte_for_byte(
    backend: Backend, size: int, chunk: int
) -> None:
    one = made.made(PixelData=bytes(range(256)) * (size // 256 + 1))
    (stored,) = await store(backend, one, chunk=chunk)
    assert stored == Stored(
        sop_class_uid=made.CT,
        sop_instance_uid=uid(1, 1, 1),
        study_instance_uid=uid(1),
        series_instance_uid=uid(1, 1),
    )
    assert await retrieved(backend, Ref(instance=uid(1, 1, 1))) == [one.data]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
async def test_the_transfer_syntax_stays(backend: Backend, syntax: str) -> None:
    one = made.of(made.dataset(), syntax)
    await keep(backend, one)
    async with backend.retrieve([Ref(study=uid(1))]) as retrieval:
        assert [each.transfer_syntax_uid for each in retrieval.manifest or ()] == [syntax]
        assert [each.transfer_syntax_uid async for each in retrieval.instances] == [syntax]


async def test_chunks_are_short_and_bytes(backend: Backend) -> None:
    await keep(backend, made.made(PixelData=bytes(2 * CHUNK)))
    async with backend.retrieve([Ref(study=uid(1))]) as retrieval:
        async for instance in retrieval.instances:
            async for chunk in instance.chunks:
                assert isinstance(chunk, bytes)
                assert 0 < len(chunk) <= CHUNK


async def test_an_instance_may_come_without_names(backend: Backend) -> None:
    one = Made(made.made().data, "", "")
    (stored,) = await store(backend, one)
    assert stored.failure is None
    assert stored.sop_instance_uid == uid(1, 1, 1)


@pytest.mark.parametrize(
    "keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"]
)
@pytest.mark.parametrize("value", [None, "", "1.2.x", "../../etc/passwd", "1." + "2" * 63])
async def test_without_an_identifier_nothing_is_kept(
    backend: Backend, keyword: str, value: str | None
) -> None:
    with warnings.catch_warnings(action="ignore"):  # pydicom's, of malformed UIDs
        dataset = made.dataset(**{keyword: value})
    (stored,) = await store(backend, Made(made.encoded(dataset), "", ""))
    assert isinstance(stored.failure, BadDataset)
    assert await find(backend, Level.IMAGE) == []


@pytest.mark.parametrize(("kind", "instance"), [(made.SECONDARY_CAPTURE, ""), ("", uid(9, 9, 9))])
async def test_another_instance_than_was_announced_is_refused(
    backend: Backend, kind: str, instance: str
) -> None:
    (stored,) = await store(backend, Made(made.made().data, kind, instance))
    assert isinstance(stored.failure, ClassMismatch)
    assert await retrieved(backend, Ref(study=uid(1))) == []


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\0" * 5000])
async def test_rubbish_is_refused(backend: Backend, data: bytes) -> None:
    (stored,) = await store(backend, Made(data, made.CT, uid(1, 1, 1)))
    assert isinstance(stored.failure, BadDataset)


async def test_cut_pixels_are_kept_with_a_warning(backend: Backend) -> None:
    whole = made.made(PixelData=bytes(1000))
    (stored,) = await store(
        backend, Made(whole.data[:-100], whole.sop_class_uid, whole.sop_instance_uid)
    )
    assert stored.failure is None
    assert stored.warnings
    assert await retrieved(backend, Ref(study=uid(1))) == [whole.data[:-100]]


async def test_the_same_again_is_a_success(backend: Backend) -> None:
    await keep(backend, made.made(), made.made())
    assert len(await find(backend, Level.IMAGE)) == 1


async def test_another_data_set_under_the_same_uid_is_refused(backend: Backend) -> None:
    await keep(backend, made.made())
    (stored,) = await store(backend, made.made(PatientName="Roe^Richard"))
    assert isinstance(stored.failure, Conflict)
    assert values(await find(backend, Level.IMAGE), "00100010") == [{"Alphabetic": "Doe^Jane"}]


async def test_the_same_in_another_syntax_is_another_data_set(backend: Backend) -> None:
    await keep(backend, made.made())
    (stored,) = await store(backend, made.of(made.dataset(), ImplicitVRLittleEndian))
    assert isinstance(stored.failure, Conflict)


@pytest.mark.parametrize("before", [10, 5 * CHUNK // 2])
async def test_a_source_that_fails_leaves_nothing(backend: Backend, before: int) -> None:
    data = made.made(PixelData=bytes(4 * CHUNK)).data

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, before, CHUNK):
            yield data[start : min(start + CHUNK, before)]
        raise BackendFault("the source failed")

    async with backend.open() as session:
        with pytest.raises(BackendFault, match="the source failed"):
            await session.store(
                Instance(uid(1, 1, 1), made.CT, made.made().transfer_syntax_uid, chunks())
            )
        assert (await session.store(made.made().instance())).failure is None
    assert len(await find(backend, Level.IMAGE)) == 1


@pytest.mark.parametrize("before", [10, 5 * CHUNK // 2])
async def test_who_leaves_in_the_middle_leaves_nothing(backend: Backend, before: int) -> None:
    data = made.made(PixelData=bytes(4 * CHUNK)).data
    reached = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, before, CHUNK):
            yield data[start : min(start + CHUNK, before)]
        reached.set()
        await asyncio.Event().wait()

    async def send() -> None:
        async with backend.open() as session:
            await session.store(
                Instance(uid(1, 1, 1), made.CT, made.made().transfer_syntax_uid, chunks())
            )

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(send())
        await reached.wait()
        task.cancel()
    assert task.cancelled()
    assert await find(backend, Level.IMAGE) == []


async def test_many_may_store_at_once(backend: Backend) -> None:
    async with asyncio.TaskGroup() as tasks:
        for series in range(1, 6):
            tasks.create_task(keep(backend, *(made.made(1, series, n) for n in range(1, 11))))
    (study,) = await find(backend, Level.STUDY)
    assert (study["00201206"]["Value"], study["00201208"]["Value"]) == ([5], [50])


async def test_each_level_answers_with_its_own(backend: Backend) -> None:
    await keep(backend, *house())
    assert values(await find(backend, Level.PATIENT), "00100020") == ["P1", "P3"]
    assert values(await find(backend, Level.STUDY), "0020000D") == [uid(1), uid(2), uid(3)]
    series = await find(backend, Level.SERIES)
    assert values(series, "0020000E") == [uid(1, 1), uid(1, 2), uid(2, 1), uid(3, 1)]
    images = await find(backend, Level.IMAGE)
    assert values(images, "00200013") == [1, 2, 1, 1, 1, 2]
    for answers in (series, images):
        assert values(answers, "0020000D")[0] == uid(1)
        assert values(answers, "00100020")[0] == "P1"
    assert values(images, "0020000E")[2] == uid(1, 2)


async def test_counts_and_modalities_are_computed(backend: Backend) -> None:
    await keep(backend, *house())
    patients = await find(backend, Level.PATIENT)
    assert [values(patients, tag) for tag in ("00201200", "00201202", "00201204")] == [
        [2, 1], [3, 1], [4, 2],
    ]  # fmt: skip
    studies = await find(backend, Level.STUDY)
    assert values(studies, "00201206") == [2, 1, 1]
    assert values(studies, "00201208") == [3, 1, 2]
    assert [each["00080061"]["Value"] for each in studies] == [["CT", "MR"], ["CT"], ["CT"]]
    assert values(await find(backend, Level.SERIES), "00201209") == [2, 1, 1, 2]


async def test_answers_say_where_to_get_it(backend: Backend) -> None:
    await keep(backend, made.made())
    paths = {
        Level.STUDY: f"/studies/{uid(1)}",
        Level.SERIES: f"/studies/{uid(1)}/series/{uid(1, 1)}",
        Level.IMAGE: f"/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}",
    }
    for level in Level:
        (answer,) = await find(backend, level)
        assert answer["00080054"] == {"vr": "AE", "Value": ["HERE"]}
        assert answer["00080056"] == {"vr": "CS", "Value": ["ONLINE"]}
        if level in paths:
            assert answer["00081190"] == {"vr": "UR", "Value": [ROOT + paths[level]]}
        async with backend.find(Query(level)) as matches:
            bare = [json.loads(each.dicom_json()) async for each in matches]
        assert "00081190" not in bare[0]


async def test_attributes_stand_in_order_and_both_forms_agree(backend: Backend) -> None:
    await keep(backend, *house())
    for level in Level:
        async with backend.find(Query(level, include_all=True)) as matches:
            async for match in matches:
                answer = json.loads(match.dicom_json(ROOT))
                assert list(answer) == sorted(answer)
                decoded = match.decoded()
                assert set(decoded) <= set(answer)
                assert all(decoded[tag] == answer[tag] for tag in ("00100020", "00100010"))


async def test_the_default_attributes_are_there(backend: Backend) -> None:
    await keep(
        backend,
        made.made(
            SeriesDescription="T1", NumberOfFrames=1, TimezoneOffsetFromUTC="+0100",
            PerformedProcedureStepStartDate="20260102", PerformedProcedureStepStartTime="1011",
            RequestAttributesSequence=[{"ScheduledProcedureStepID": "S1"}],
        ),
    )  # fmt: skip
    study = "00080020 00080030 00080050 00080056 00080061 00080090 00080201 00081190 00100010"
    study += " 00100020 00100030 00100040 0020000D 00200010 00201206 00201208"
    series = "00080060 0008103E 0020000E 00200011 00201209 00400244 00400245 00400275 00080201"
    image = "00080016 00080018 00080056 00080201 00081190 00200013 00280010 00280011 00280100"
    for level, wanted in ((Level.STUDY, study), (Level.SERIES, series), (Level.IMAGE, image)):
        (answer,) = await find(backend, level)
        assert set(wanted.split()) <= set(answer)
    frames = frozenset({(0x00280008,)})
    assert values(await find(backend, Level.IMAGE, include=frames), "00280008") == [1]


async def test_asked_attributes_are_added_and_all_if_all_are_asked(backend: Backend) -> None:
    await keep(backend, made.made(PatientComments="x", StudyDescription="y", StationName="z"))
    wanted = {"00104000": "x", "00081030": "y", "00081010": "z"}
    for level, tags in (
        (Level.PATIENT, ["00104000"]),
        (Level.STUDY, ["00104000", "00081030"]),
        (Level.SERIES, list(wanted)),
        (Level.IMAGE, list(wanted)),
    ):
        (bare,) = await find(backend, level)
        assert not set(wanted) & set(bare)
        include = frozenset((int(tag, 16),) for tag in tags)
        for answers in (
            await find(backend, level, include=include),
            await find(backend, level, include_all=True),
        ):
            assert [values(answers, tag) for tag in tags] == [[wanted[tag]] for tag in tags]
    (image,) = await find(backend, Level.IMAGE, include_all=True)
    assert image["00280103"] == {"vr": "US", "Value": [0]}
    assert image["7FE00010"]["BulkDataURI"] == (
        f"{ROOT}/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}/bulkdata/7FE00010"
    )


async def test_what_was_matched_is_in_the_answer(backend: Backend) -> None:
    await keep(backend, made.made(PatientComments="x", ImageComments="y"))
    assert values(await find(backend, Level.STUDY, {(0x00104000,): "x"}), "00104000") == ["x"]
    assert values(await find(backend, Level.IMAGE, {COMMENTS: "y"}), "00204000") == ["y"]


async def test_limit_and_offset_cut_a_stable_order(backend: Backend) -> None:
    await keep(backend, *(made.made(n) for n in range(1, 8)))
    everything = values(await find(backend, Level.STUDY), "0020000D")
    assert len(everything) == 7
    for limit in (None, 0, 1, 3, 100):
        for offset in (0, 2, 7, 9):
            page = await find(backend, Level.STUDY, limit=limit, offset=offset)
            end = None if limit is None else offset + limit
            assert values(page, "0020000D") == everything[offset:end]


async def test_nothing_found_is_an_empty_answer(backend: Backend) -> None:
    assert await find(backend, Level.STUDY) == []
    await keep(backend, made.made())
    for level in Level:
        assert await find(backend, level, {PATIENT_ID: "nobody"}) == []


@pytest.mark.parametrize(
    ("match", "numbers"),
    [
        ({PATIENT_ID: "P1"}, [1, 2]),
        ({PATIENT_ID: "p1"}, []),  # case counts but in names
        ({PATIENT_ID: "P?"}, [1, 2, 3]),
        ({PATIENT_ID: "*"}, [1, 2, 3]),
        ({PATIENT_ID: "%"}, []),
        ({PATIENT_ID: "P_"}, []),
        ({PATIENT_ID: "[P]1"}, []),
        ({PATIENT_ID: "P1\\P3"}, [1, 2, 3]),
        ({PATIENT_ID: "*1"}, [1, 2]),
        ({STUDY: f"{uid(1)}\\{uid(3)}\\{uid(4)}"}, [1, 3]),
        ({STUDY: uid(2)}, [2]),
        ({DATE: "20260102"}, [1]),
        ({DATE: "20260101-20260201"}, [1]),
        ({DATE: "20260102-"}, [1, 2]),
        ({DATE: "-20251231"}, [3]),
        ({TIME: "101112"}, [1, 3]),
        ({TIME: "1200-"}, [2]),
        ({TIME: "-1011"}, [1, 3]),
        ({TIME: "235900-235959"}, [2]),
        ({NAME: "doe^jane"}, [1, 2]),
        ({NAME: "DOE^JANE^^^"}, [1, 2]),
        ({NAME: "Doe"}, []),
        ({NAME: "doe*"}, [1, 2]),
        ({NAME: "muller^lukasz"}, [3]),
        ({NAME: "MÜLLER*"}, [3]),
        ({NAME: "山田^太郎"}, [3]),
        ({NAME: "山*"}, [3]),
        ({NAME: "やまだ*"}, [3]),
        ({NAME: "=山田*"}, [3]),
        ({NAME: "muller*=山田*=やまだ*"}, [3]),
        ({NAME: "doe*=山田*"}, []),
        ({MODALITIES: "MR"}, [1]),
        ({MODALITIES: "MR\\CT"}, [1, 2, 3]),
        ({MODALITIES: "US"}, []),
        ({MODALITY: "MR"}, [1]),  # a key of a level below
        ({NUMBER: "2"}, [1, 3]),
        ({NUMBER: "02"}, [1, 3]),
        ({(0x00180050,): "2.5"}, [1]),
        ({MODALITY: "MR", NUMBER: "2"}, []),  # no one instance is both
        ({ROWS: "2"}, [1, 2, 3]),
        ({ROWS: "512"}, []),
        ({SERIES: uid(3, 1)}, [3]),
        ({INSTANCE: uid(1, 2, 1)}, [1]),
        ({(0x00201206,): "2"}, [1]),
        ({(0x00201200,): "2"}, [1, 2]),
        ({(0x00080056,): "ONLINE"}, [1, 2, 3]),
        ({(0x00080056,): "OFFLINE"}, []),
        ({(0x00080054,): "HERE"}, [1, 2, 3]),
        ({(0x00080062,): made.CT}, [1, 2, 3]),
        ({(0x00104000,): "*"}, [1, 2, 3]),
        ({(0x00104000,): "?*"}, []),
        ({PATIENT_ID: "P1", DATE: "2026-", NAME: "D*"} | {DATE: "20260201-"}, [2]),
    ],
)
async def test_studies_are_found_by_any_key(
    backend: Backend, match: dict[Any, str], numbers: list[int]
) -> None:
    await keep(backend, *house())
    found = await find(backend, Level.STUDY, match)
    assert values(found, "0020000D") == [uid(number) for number in numbers]


@pytest.mark.parametrize(
    ("level", "match", "count"),
    [
        (Level.PATIENT, {NAME: "muller*"}, 1),
        (Level.PATIENT, {STUDY: uid(2)}, 1),
        (Level.PATIENT, {MODALITIES: "MR"}, 1),
        (Level.PATIENT, {MODALITY: "CT", DATE: "20260301"}, 1),
        (Level.PATIENT, {NUMBER: "2"}, 2),
        (Level.SERIES, {NAME: "muller*"}, 1),
        (Level.SERIES, {MODALITIES: "MR"}, 2),
        (Level.SERIES, {MODALITY: "MR"}, 1),
        (Level.SERIES, {(0x0008103E,): "T1*"}, 1),
        (Level.SERIES, {NUMBER: "2"}, 2),
        (Level.SERIES, {STUDY: uid(1)}, 2),
        (Level.IMAGE, {NAME: "doe*"}, 4),
        (Level.IMAGE, {MODALITY: "MR"}, 1),
        (Level.IMAGE, {STUDY: uid(1), NUMBER: "1"}, 2),
        (Level.IMAGE, {INSTANCE: uid(3, 1, 2)}, 1),
        (Level.IMAGE, {(0x00180050,): "1.5\\2.5"}, 2),
    ],
)
async def test_every_level_is_found_by_keys_of_every_level(
    backend: Backend, level: Level, match: dict[Any, str], count: int
) -> None:
    await keep(backend, *house())
    assert len(await find(backend, level, match)) == count


@pytest.mark.parametrize(
    ("match", "count"),
    [
        ({(0x00400275, 0x00400009): "S1"}, 1),
        ({(0x00400275, 0x00400009): "S*"}, 1),
        ({(0x00400275, 0x00400009): "S1", (0x00400275, 0x00401001): "R1"}, 1),
        ({(0x00400275, 0x00400009): "S1", (0x00400275, 0x00401001): "R2"}, 0),
        ({(0x00400275, 0x00400008, 0x00080100): "C"}, 1),
        ({(0x00400275, 0x00400008, 0x00080100): "D"}, 0),
    ],
)
@pytest.mark.parametrize("level", list(Level))
async def test_one_item_of_a_sequence_must_hold_all_its_keys(
    backend: Backend, level: Level, match: dict[Any, str], count: int
) -> None:
    items = [
        {
            "ScheduledProcedureStepID": "S1", "RequestedProcedureID": "R1",
            "ScheduledProtocolCodeSequence": [{"CodeValue": "C", "CodeMeaning": "c"}],
        },
        {"ScheduledProcedureStepID": "S2", "RequestedProcedureID": "R2"},
    ]  # fmt: skip
    await keep(backend, made.made(RequestAttributesSequence=items), made.made(2))
    assert len(await find(backend, level, match)) == count


async def test_any_of_several_values_matches(backend: Backend) -> None:
    await keep(
        backend, made.made(ImageType=["ORIGINAL", "PRIMARY"], OtherPatientNames=["A^B", "C^D"])
    )
    assert len(await find(backend, Level.IMAGE, {(0x00080008,): "PRIMARY"})) == 1
    assert len(await find(backend, Level.IMAGE, {(0x00080008,): "DERIVED"})) == 0
    assert len(await find(backend, Level.STUDY, {(0x00101001,): "c^d"})) == 1


async def test_fuzzy_names_begin_with_the_words_in_any_order(backend: Backend) -> None:
    await keep(backend, *house())
    for asked, count in (
        ("lukas muller", 1), ("jane^do", 2), ("D", 2), ("ane", 0), ("jane muller", 0), ("太郎", 1),
    ):  # fmt: skip
        assert len(await find(backend, Level.STUDY, {NAME: asked}, fuzzy=True)) == count
    assert await find(backend, Level.STUDY, {NAME: "D"}) == []


@pytest.mark.parametrize(
    "match",
    [
        {DATE: "yesterday"},
        {TIME: "noon"},
        {NUMBER: "one"},
        {(0x7FE00010,): "x"},
        {(0x00400275,): "x"},
    ],
)
@pytest.mark.parametrize("level", list(Level))
async def test_what_cannot_be_matched_is_refused(
    backend: Backend, level: Level, match: dict[Any, str]
) -> None:
    with pytest.raises(BadQuery):
        await find(backend, level, match)


async def test_metadata_leave_bulk_data_out(backend: Backend) -> None:
    await keep(backend, *house(), made.of(made.dataset(4), ExplicitVRBigEndian))
    async with backend.describe(Ref(study=uid(1)), ROOT) as objects:
        found = [json.loads(each) async for each in objects]
    assert len(found) == 3
    url = f"{ROOT}/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}/bulkdata/7FE00010"
    first = next(each for each in found if each["00080018"]["Value"] == [uid(1, 1, 1)])
    assert first["7FE00010"] == {"vr": "OW", "BulkDataURI": url}
    assert first["00180050"] == {"vr": "DS", "Value": [1.5]}
    for study in (1, 4):
        ref = Ref(study=uid(study), series=uid(study, 1), instance=uid(study, 1, 1))
        async with backend.bulk(ref, (0x7FE00010,)) as bulk:
            pixels = b"".join([chunk async for chunk in bulk.chunks])
            assert (bulk.size, bulk.encapsulated) == (8, False)
        written = bytes([study, 1, 1, 0, 1, 2, 3, 4])
        swapped = bytes([1, study, 0, 1, 2, 1, 4, 3])  # words of two bytes, now little endian
        assert pixels == (written if study == 1 else swapped)


async def test_metadata_of_nothing_are_nothing(backend: Backend) -> None:
    async with backend.describe(Ref(study=uid(1)), ROOT) as objects:
        assert [each async for each in objects] == []


async def test_unknown_bulk_data_are_not_found(backend: Backend) -> None:
    await keep(backend, made.made())
    here = Ref(uid(1), uid(1, 1), uid(1, 1, 1))
    for ref, path in (
        (here, (0x7FE00008,)),
        (here, (0x00400275, 0, 0x00400009)),
        (Ref(uid(1), uid(1, 1), uid(9)), (0x7FE00010,)),
        (Ref(uid(2), uid(1, 1), uid(1, 1, 1)), (0x7FE00010,)),
        (Ref(uid(1)), (0x7FE00010,)),
    ):
        with pytest.raises(NotFound):
            async with backend.bulk(ref, path):
                pass


@pytest.mark.parametrize(
    ("refs", "count"),
    [
        ([Ref(patient="P1")], 4),
        ([Ref(study=uid(1))], 3),
        ([Ref(series=uid(1, 1))], 2),
        ([Ref(instance=uid(1, 1, 2))], 1),
        ([Ref(study=uid(1), series=uid(1, 2))], 1),
        ([Ref(study=uid(2), series=uid(1, 2))], 0),
        ([Ref(study=uid(1), patient="P3")], 0),
        ([Ref(study=uid(1)), Ref(instance=uid(1, 1, 2)), Ref(study=uid(3))], 5),
        ([Ref(study=uid(9))], 0),
        ([], 0),
        ([Ref()], 0),
    ],
)
async def test_references_are_retrieved_each_instance_once(
    backend: Backend, refs: list[Ref], count: int
) -> None:
    await keep(backend, *house())
    data = await retrieved(backend, *refs)
    assert len(data) == count
    assert len(set(data)) == count


async def test_a_series_comes_in_the_order_of_its_numbers(backend: Backend) -> None:
    await keep(backend, *(made.made(1, 1, n) for n in (10, 2, 1)))
    async with backend.retrieve([Ref(study=uid(1))]) as retrieval:
        uids = [each.sop_instance_uid for each in retrieval.manifest or ()]
        assert uids == [uid(1, 1, n) for n in (1, 2, 10)]
        assert [each.sop_instance_uid async for each in retrieval.instances] == uids


async def test_instances_may_be_left_unread(backend: Backend) -> None:
    await keep(backend, *(made.made(1, 1, n, PixelData=bytes(3 * CHUNK)) for n in (1, 2, 3)))
    async with backend.retrieve([Ref(study=uid(1))]) as retrieval:
        lengths = []
        async for instance in retrieval.instances:
            async for chunk in instance.chunks:
                lengths.append(len(chunk))
                break
    assert len(lengths) == 3


def part(one: Lent) -> bytes:
    with Path(one.path).open("rb") as file:
        file.seek(one.offset)
        return file.read(one.size)


async def lent(backend: Backend, ref: Ref) -> tuple[bytes, str]:
    """The data set, and the key; the file is whole and stays."""
    async with backend.lend(ref) as one:
        data = part(one)
        assert one.sop_instance_uid == ref.instance
        assert (one.sop_class_uid, one.transfer_syntax_uid) == (made.CT, "1.2.840.10008.1.2.1")
        return data, one.key


@pytest.mark.parametrize("size", [8, 3 * CHUNK + 18])
async def test_an_instance_is_lent_as_a_file(backend: Backend, size: int) -> None:
    one, other = made.made(PixelData=bytes(size)), made.made(instance=2)
    await keep(backend, one, other)
    first, again = [await lent(backend, Ref(uid(1), uid(1, 1), uid(1, 1, 1))) for _ in range(2)]
    second = await lent(backend, Ref(uid(1), uid(1, 1), uid(1, 1, 2)))
    assert first == again
    assert (first[0], second[0]) == (one.data, other.data)
    assert first[1] != second[1]


@pytest.mark.parametrize(
    "ref",
    [
        Ref(uid(1)),
        Ref(uid(1), uid(1, 1)),
        Ref(uid(1), uid(1, 1), uid(1, 1, 9)),
        Ref(uid(1), uid(1, 9), uid(1, 1, 1)),
        Ref(uid(9), uid(1, 1), uid(1, 1, 1)),
    ],
)
async def test_only_one_instance_of_its_own_series_is_lent(backend: Backend, ref: Ref) -> None:
    await keep(backend, made.made())
    with pytest.raises(NotFound):
        await lent(backend, ref)


SIX = [made.made(study, series, number) for study, series, number in (
    (1, 1, 1), (1, 1, 2), (1, 2, 3), (2, 1, 1), (2, 1, 2), (3, 1, 1),
)]  # fmt: skip


@pytest.mark.parametrize(
    ("ref", "gone"),
    [
        (Ref(study=uid(1)), [0, 1, 2]),
        (Ref(study=uid(1), series=uid(1, 1)), [0, 1]),
        (Ref(study=uid(1), series=uid(1, 2)), [2]),
        (Ref(study=uid(1), series=uid(1, 1), instance=uid(1, 1, 1)), [0]),
        (Ref(study=uid(3), series=uid(3, 1), instance=uid(3, 1, 1)), [5]),
    ],
)
async def test_what_is_deleted_is_gone_at_every_level_and_the_rest_stays(
    backend: Backend, ref: Ref, gone: list[int]
) -> None:
    await keep(backend, *SIX)
    assert await backend.delete(ref) == len(gone)
    left = [each for number, each in enumerate(SIX) if number not in gone]
    found = await find(backend, Level.IMAGE)
    assert sorted(values(found, "00080018")) == sorted(each.sop_instance_uid for each in left)
    assert await retrieved(backend, *[Ref(study=uid(n)) for n in (1, 2, 3)]) == [
        each.data for each in left
    ]
    with pytest.raises(NotFound):
        await backend.delete(ref)
    together: dict[str, set[str]] = {}
    for each in left:
        study, _, series = each.sop_instance_uid.rpartition(".")[0].rpartition(".")
        together.setdefault(study, set()).add(series)
    studies = await find(backend, Level.STUDY)
    counts = dict(zip(values(studies, "0020000D"), values(studies, "00201206"), strict=True))
    assert counts == {study: len(series) for study, series in together.items()}
    assert sum(values(studies, "00201208")) == len(left)


async def test_a_study_shows_the_attributes_of_what_is_left(backend: Backend) -> None:
    await keep(
        backend,
        made.made(1, 1, 1, StudyDescription="first", SeriesDescription="a", Modality="CT"),
        made.made(1, 1, 2, StudyDescription="second", SeriesDescription="b", Modality="CT"),
        made.made(1, 2, 3, StudyDescription="third", SeriesDescription="c", Modality="MR"),
    )
    await backend.delete(Ref(study=uid(1), series=uid(1, 1)))
    (study,) = await find(backend, Level.STUDY, include_all=True)
    assert study["00081030"]["Value"] == ["third"]
    assert study["00080061"]["Value"] == ["MR"]
    (patient,) = await find(backend, Level.PATIENT)
    assert patient["00201204"]["Value"] == [1]


async def test_what_was_deleted_can_be_stored_again_and_otherwise(backend: Backend) -> None:
    await keep(backend, made.made(1, 1, 1))
    await backend.delete(Ref(study=uid(1)))
    other = made.made(1, 1, 1, PatientID="ANOTHER")
    await keep(backend, other)
    assert await retrieved(backend, Ref(study=uid(1))) == [other.data]


@pytest.mark.parametrize("ref", [Ref(), Ref(study="9.9"), Ref(study=uid(1), series="9.9")])
async def test_nothing_there_is_nothing_deleted(backend: Backend, ref: Ref) -> None:
    await keep(backend, made.made())
    with pytest.raises(NotFound):
        await backend.delete(ref)
    assert len(await find(backend, Level.IMAGE)) == 1


async def test_storing_and_deleting_the_same_at_once_leaves_all_or_nothing(
    backend: Backend,
) -> None:
    instances = [made.made(1, 1, number) for number in range(1, 9)]
    for _ in range(10):

        async def delete() -> None:
            with suppress(NotFound):
                await backend.delete(Ref(study=uid(1)))

        async with asyncio.TaskGroup() as group:
            for each in (*instances, *instances):
                group.create_task(keep(backend, each))
            group.create_task(delete())
            group.create_task(delete())
        there = await find(backend, Level.IMAGE)
        assert len(await retrieved(backend, Ref(study=uid(1)))) == len(there)
    await keep(backend, *instances)
    assert len(await find(backend, Level.IMAGE)) == len(instances)
