"""Whatever a PACS does wrong, what a client sees is right, or says that it is not."""

import asyncio
import time
from pathlib import Path

import anyio
import httpx
import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from tests.contract.made import made, uid
from tests.e2e.quirked import (
    FOUR,
    INSTANCE,
    MANY,
    ONE,
    SERIES,
    STUDY,
    UIDS,
    Brokered,
    Got,
    brokering,
)
from tests.quirky import STRANGER, Cancel, Claims, Make, Point, Quirks

from hilum.codec.sop_class import FIND, GET, MOVE
from hilum.model.identity import Level, Ref

pytestmark = pytest.mark.anyio
WAYS = pytest.mark.parametrize("way", ["get", "move"])
BOTH = pytest.mark.parametrize("make", list(Make), ids=lambda each: each.value)
NAME = (0x00100010,)
B000, A702 = 0xB000, 0xA702


async def both(broker: Brokered, path: str = ONE, ref: Ref | None = None) -> tuple[Got, Got]:
    """The same retrieval by WADO-RS and by C-GET."""
    web = await broker.wado(path)
    await broker.idle()
    return web, await broker.get(ref or Ref(study=uid(1)))


def assert_all(*gots: Got) -> None:
    """Everything came, once, and is said to have."""
    for each in gots:
        assert sorted(each.uids) == UIDS, each
        assert each.whole, each
        assert each.status in (200, 0), each


def assert_short(got: Got, *missing: str) -> None:
    """What came is not said to be all, and what did not is named where it can be."""
    assert not set(got.uids) & set(missing), got
    if got.status in (200, 206):  # of HTTP
        assert got.status == 206 or not got.whole, got
        if got.status == 206:
            assert "Warning" in got.headers, got
    elif got.status is not None and got.status < 600:
        assert got.status in (502, 503, 504), got
        assert got.uids == [], got
    else:
        assert got.status not in (0, None), got
        assert set(got.failed) >= set(missing), got


# What it sends


@WAYS
@BOTH
async def test_a_good_pacs(tmp_path: Path, way: str, make: Make) -> None:
    patient = {"retrieve_timeout": 30.0, "arrival_timeout": 30.0}  # nothing is asked twice
    async with brokering(tmp_path, make=make, retrieve=way, **patient) as broker:
        assert_all(*await both(broker))
        series = await both(broker, f"{ONE}/series/{uid(1, 2)}", Ref(uid(1), uid(1, 2)))
        for each in series:
            assert (sorted(each.uids), each.whole) == (UIDS[2:], True)
        asked = broker.pacs.of("C-GET" if way == "get" else "C-MOVE")
        assert [each.level for each in asked] == [Level.STUDY] * 2 + [Level.SERIES] * 2


async def test_early_success_all_arrives(tmp_path: Path) -> None:
    async with brokering(tmp_path, Quirks(early_success=0.4), retrieve="move") as broker:
        assert_all(*await both(broker))


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(no_originator=True),
        Quirks(wrong_message_id=True),
        Quirks(store_title="OTHER"),
        Quirks(no_originator=True, store_title="OTHER"),
        Quirks(no_originator=True, early_success=0.2),
    ],
)
@pytest.mark.parametrize("mode", ["auto", "sequential"])
async def test_arrivals_find_who_waits_for_them(tmp_path: Path, quirks: Quirks, mode: str) -> None:
    held = [*FOUR, *[made(2, 1, number) for number in range(1, 4)]]
    async with brokering(
        tmp_path, quirks, held, retrieve="move", mode=mode, senders=["OTHER", "QUIRKY"]
    ) as broker:
        one, two, again = await asyncio.gather(
            broker.wado(ONE), broker.wado(f"studies/{uid(2)}"), broker.get(Ref(study=uid(1)))
        )
        assert_all(one, again)
        assert (sorted(two.uids), two.whole) == ([uid(2, 1, n) for n in (1, 2, 3)], True)


@WAYS
@pytest.mark.parametrize("sharing", [True, False])
async def test_what_is_not_there_is_not_found_also_where_the_pacs_fails_at_it(
    tmp_path: Path, way: str, *, sharing: bool
) -> None:
    kept = {"cache": {"max_age": 60}} if sharing else {}
    async with brokering(tmp_path, Quirks(unknown=0xC000), retrieve=way, **kept) as broker:
        below = f"{ONE}/series/{uid(1, 1)}/instances/{uid(1, 1, 99)}"
        for path in (below, f"{below}/metadata", f"{below}/rendered", f"{below}/frames/1"):
            assert (await broker.qido(path)).status_code == 404, path


@WAYS
async def test_a_pacs_that_never_has_the_resources_is_asked_once_more_and_no_more(
    tmp_path: Path, way: str
) -> None:
    quirks = Quirks(nothing=True, unknown=A702)
    async with brokering(tmp_path, quirks, retrieve=way) as broker:
        answer = await broker.qido(ONE)
        assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
        asked = len(broker.pacs.of("C-GET") + broker.pacs.of("C-MOVE"))
        assert asked == 1 + 2  # for the study, and for what is missing of each series
        assert (await broker.get(Ref(study=uid(1)))).status == A702


@WAYS
@BOTH
async def test_success_of_nothing_is_no_success(tmp_path: Path, way: str, make: Make) -> None:
    async with brokering(tmp_path, Quirks(nothing=True), make=make, retrieve=way) as broker:
        for each in await both(broker):
            assert each.uids == []
            assert_short(each, *UIDS)


@WAYS
@pytest.mark.parametrize("claims", Claims)
async def test_failed_sub_operations_are_told(tmp_path: Path, way: str, claims: Claims) -> None:
    quirks = Quirks(fails=1, claims=claims)
    async with brokering(tmp_path, quirks, retrieve=way) as broker:
        web, dimse = await both(broker)
        for each in (web, dimse):
            assert sorted(each.uids) == UIDS[:3]
            assert_short(each, UIDS[3])
        assert web.status == 206
        assert dimse.status == B000
        asked = broker.pacs.of("C-GET" if way == "get" else "C-MOVE")
        assert asked[1].keys[INSTANCE] == UIDS[3]


@WAYS
async def test_all_failed_is_told(tmp_path: Path, way: str) -> None:
    quirks = Quirks(fails=4, claims=Claims.ALL)
    async with brokering(tmp_path, quirks, retrieve=way) as broker:
        for each in await both(broker):
            assert each.uids == []
            assert_short(each, *UIDS)


@WAYS
async def test_what_it_forgot_is_asked_for_once_more(tmp_path: Path, way: str) -> None:
    async with brokering(tmp_path, Quirks(only=2), retrieve=way) as broker:
        assert_all(*await both(broker))
    async with brokering(tmp_path, Quirks(only=1), retrieve=way) as broker:
        for each in await both(broker):
            assert len(each.uids) < 4
            assert_short(each, *set(UIDS) - set(each.uids))


@WAYS
@BOTH
@pytest.mark.parametrize("quirks", [Quirks(twice=True), Quirks(stranger=True)])
async def test_what_nobody_asked_for_does_not_come(
    tmp_path: Path, way: str, make: Make, quirks: Quirks
) -> None:
    async with brokering(tmp_path, quirks, make=make, retrieve=way) as broker:
        for each in await both(broker):
            assert STRANGER not in each.uids
            assert sorted(each.uids) == UIDS
            assert each.status in (200, 0)


@WAYS
async def test_a_series_is_a_series(tmp_path: Path, way: str) -> None:
    async with brokering(tmp_path, Quirks(ignores_level=True), retrieve=way) as broker:
        series = await both(broker, f"{ONE}/series/{uid(1, 2)}", Ref(uid(1), uid(1, 2)))
        for each in series:
            assert (sorted(each.uids), each.whole) == (UIDS[2:], True)
        path = f"{ONE}/series/{uid(1, 1)}/instances/{UIDS[1]}"
        for each in await both(broker, path, Ref(uid(1), uid(1, 1), UIDS[1])):
            assert (each.uids, each.whole) == ([UIDS[1]], True)


@WAYS
async def test_without_a_list_the_counts_are_held_against(tmp_path: Path, way: str) -> None:
    async with brokering(tmp_path, Quirks(no_image_level=True), retrieve=way) as broker:
        assert_all(*await both(broker))
        broker.pacs.quirks = Quirks(no_image_level=True, fails=1)
        for each in await both(broker):
            assert_short(each, UIDS[3])


@WAYS
async def test_a_list_that_is_cut_short_does_not_hide_instances(tmp_path: Path, way: str) -> None:
    async with brokering(tmp_path, Quirks(cap=1), retrieve=way) as broker:
        for each in await both(broker):
            assert sorted(each.uids) == UIDS
            assert each.status in (200, 0)


@WAYS
async def test_pending_responses_without_end(tmp_path: Path, way: str) -> None:
    async with brokering(
        tmp_path, Quirks(endless=True), retrieve=way, retrieve_deadline=3.0
    ) as broker:
        broker.pacs.quirks = Quirks(endless=True, no_image_level=True)
        began = time.monotonic()
        for each in await both(broker):
            assert each.uids == []
            assert_short(each)
        assert time.monotonic() - began < 30


@WAYS
async def test_the_deadline_is_for_the_listing_too(tmp_path: Path, way: str) -> None:
    held = [made(1, 1, number) for number in range(1, 41)]
    async with brokering(
        tmp_path, Quirks(slow=0.1), held, retrieve=way, retrieve_deadline=1.0
    ) as broker:
        began = time.monotonic()
        assert (await broker.wado(ONE)).status == 504
        assert time.monotonic() - began < 2.5


@WAYS
@pytest.mark.parametrize("kind", ["stalls", "drops"])
@pytest.mark.parametrize(
    ("point", "after"),
    [
        (Point.REQUEST, 0),
        (Point.INSTANCE, 0),
        (Point.INSTANCE, 2),
        (Point.BETWEEN, 0),
        (Point.BETWEEN, 2),
        (Point.BETWEEN, 3),
    ],
)
async def test_it_breaks_off(tmp_path: Path, way: str, kind: str, point: Point, after: int) -> None:
    quirks = Quirks(**{kind: point, "after": after, "spares_queries": True})  # type: ignore[arg-type]
    async with brokering(tmp_path, quirks, retrieve=way, pool={"size": 2}) as broker:
        began = time.monotonic()
        for each in await both(broker):
            if sorted(each.uids) == UIDS:  # the second try brought the rest
                assert after
                assert_all(each)
            else:
                assert_short(each, *set(UIDS) - set(each.uids))
        assert time.monotonic() - began < 40
        await broker.idle()
        broker.pacs.quirks = Quirks()
        assert_all(await broker.wado(ONE))


@WAYS
async def test_it_breaks_off_before_anything_is_listed(tmp_path: Path, way: str) -> None:
    quirks = Quirks(drops=Point.BETWEEN, after=0)
    async with brokering(tmp_path, quirks, retrieve=way) as broker:
        for each in await both(broker):
            assert each.uids == []
            assert each.status not in (0, 200)


@WAYS
@pytest.mark.parametrize("kind", ["stalls", "drops"])
async def test_the_final_response_never_comes(tmp_path: Path, way: str, kind: str) -> None:
    quirks = Quirks(**{kind: Point.FINAL, "spares_queries": True})  # type: ignore[arg-type]
    async with brokering(tmp_path, quirks, retrieve=way) as broker:
        began = time.monotonic()
        assert_all(*await both(broker))
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("quirks", [Quirks(no_roles=True), Quirks(refuses=GET)])
async def test_without_c_get_auto_moves(tmp_path: Path, quirks: Quirks) -> None:
    async with brokering(tmp_path, quirks) as broker:
        assert_all(*await both(broker))
        assert broker.pacs.of("C-MOVE")


async def test_without_any_retrieval_it_is_refused_by_name(tmp_path: Path) -> None:
    async with brokering(tmp_path, Quirks(refuses=GET | MOVE)) as broker:
        web, dimse = await both(broker)
        assert web.status is not None
        assert web.status >= 400
        assert dimse.status not in (0, None)


# What it answers


@BOTH
@pytest.mark.parametrize("tells", [False, True])
async def test_ignored_keys_are_filtered_here(
    tmp_path: Path,
    make: Make,
    tells: bool,  # noqa: FBT001 - a parameter
) -> None:
    quirks = Quirks(ignores=frozenset(NAME), tells_ignored=tells)
    async with brokering(tmp_path, quirks, MANY, make=make) as broker:
        answer = await broker.qido("studies?PatientName=Doe^2*&limit=4")
        found = [each["00100010"]["Value"][0]["Alphabetic"] for each in answer.json()]
        assert (answer.status_code, len(found)) == (200, 4)
        assert all(each.startswith("Doe^2") for each in found)
        answers, error = await broker.find(Level.STUDY, {STUDY: "", NAME: "Doe^7"})
        assert (len(answers), error) == (1, None)


CHARSETS = pytest.mark.parametrize(
    ("charset", "name", "setting"),
    [
        ("ISO_IR 100", "Müller^Jürgen", None),
        ("ISO_IR 192", "Müller^Jürgen", None),
        ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう", None),
        ("GB18030", "Wang^XiaoDong=王^小东", "GB18030"),
    ],
)


@CHARSETS
@pytest.mark.parametrize("declares", [None, "ISO_IR 101"])
async def test_names_come_in_unicode(
    tmp_path: Path, charset: str, name: str, setting: str | None, declares: str | None
) -> None:
    held, quirks = [made(PatientName=name)], Quirks(charset=charset, declares=declares)
    given = setting if declares is None else charset  # what is declared wrongly is to be set
    async with brokering(tmp_path, quirks, held, charset=given) as broker:
        answer = await broker.qido("studies")
        [study] = answer.json()
        groups = study["00100010"]["Value"][0]
        told = [groups.get(each, "") for each in ("Alphabetic", "Ideographic", "Phonetic")]
        assert "=".join(told).rstrip("=") == name
        answers, error = await broker.find(Level.STUDY, {STUDY: "", NAME: ""})
        assert (len(answers), error) == (1, None)
        encoded = answers[0].encoded or b""
        dataset = read_dataset(
            DicomBytesIO(encoded),
            is_implicit_VR=answers[0].transfer_syntax_uid == "1.2.840.10008.1.2",
            is_little_endian=True,
            bytelength=len(encoded),
        )
        dataset.decode()
        assert str(dataset.PatientName) == name
        assert dataset.SpecificCharacterSet


@BOTH
async def test_doubled_answers_come_once(tmp_path: Path, make: Make) -> None:
    async with brokering(tmp_path, Quirks(duplicates=True), MANY, make=make) as broker:
        answer = await broker.qido("studies")
        uids = [each["0020000D"]["Value"][0] for each in answer.json()]
        assert (len(uids), len(set(uids))) == (30, 30)
        answers, _ = await broker.find(Level.STUDY, {STUDY: ""})
        assert len(answers) == 30
        assert len((await broker.qido("studies?limit=10&offset=25")).json()) == 5


@BOTH
async def test_who_gets_as_many_as_there_are_at_most_is_warned(tmp_path: Path, make: Make) -> None:
    async with brokering(tmp_path, Quirks(cap=10), MANY, make=make, max_answers=10) as broker:
        for path, count, warned in (
            ("studies", 10, "there may be more"),
            ("studies?limit=20", 10, "there may be more"),
            ("studies?limit=4&offset=8", 2, "there may be more"),
            ("studies?limit=9", 9, "additional results"),
            ("studies?PatientName=Doe^2", 1, ""),
        ):
            answer = await broker.qido(path)
            assert (answer.status_code, len(answer.json())) == (200, count), path
            assert warned in answer.headers.get("Warning", ""), path
            assert bool(warned) is ("Warning" in answer.headers), path


@BOTH
async def test_lists_of_modalities_are_matched(tmp_path: Path, make: Make) -> None:
    held = [made(1), made(2, Modality="MR"), made(3, Modality="US")]
    async with brokering(tmp_path, Quirks(no_lists=True), held, make=make) as broker:
        answer = await broker.qido("studies?ModalitiesInStudy=CT,MR")
        found = sorted(each["0020000D"]["Value"][0] for each in answer.json())
        assert found == [uid(1), uid(2)]


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(),
        Quirks(relational=False),
        Quirks(relational=False, agrees=True),
        Quirks(agrees=False),
    ],
)
async def test_all_series_and_instances(tmp_path: Path, quirks: Quirks) -> None:
    held = [*FOUR, made(2), made(3)]
    async with brokering(tmp_path, quirks, held) as broker:
        for path, count in (("series", 4), ("instances", 6), (f"{ONE}/instances", 4)):
            answer = await broker.qido(path)
            assert (answer.status_code, len(answer.json())) == (200, count), path
        answers, error = await broker.find(Level.SERIES, {SERIES: ""})
        assert (len(answers), error) == (4, None)


@pytest.mark.parametrize("quirks", [Quirks(), Quirks(no_patient_level=True)])
async def test_patients(tmp_path: Path, quirks: Quirks) -> None:
    key = {(0x00100020,): "P1"}
    async with brokering(tmp_path, quirks) as broker:
        answers, error = await broker.find(Level.PATIENT, key, patient_root=True)
        assert error is not None or len(answers) == 1
        if quirks == Quirks():
            assert error is None


async def test_without_an_image_level_instances_are_refused_and_not_none(tmp_path: Path) -> None:
    async with brokering(tmp_path, Quirks(no_image_level=True)) as broker:
        answer = await broker.qido(f"{ONE}/series/{uid(1, 1)}/instances")
        assert answer.status_code >= 400
        keys = {STUDY: uid(1), SERIES: uid(1, 1), INSTANCE: ""}
        answers, error = await broker.find(Level.IMAGE, keys)
        assert (answers, error is not None) == ([], True)


@BOTH
@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(slow=0.02),
        Quirks(slow=0.02, cancel=Cancel.ABORTED),
        Quirks(slow=0.02, cancel=Cancel.ABORTED, cancel_delay=20),
        Quirks(slow=0.02, cancel=Cancel.IGNORED),
        Quirks(slow=0.02, cancel_delay=20),
        Quirks(endless=True),
        Quirks(endless=True, cancel=Cancel.IGNORED),
        Quirks(endless=True, cancel=Cancel.ABORTED),
    ],
)
@pytest.mark.parametrize("cancel", ["cancel", "abort"])
async def test_a_search_stops_with_its_limit(
    tmp_path: Path, make: Make, quirks: Quirks, cancel: str
) -> None:
    pool = {"size": 1}  # a slot that is not given back would show
    async with brokering(tmp_path, quirks, MANY, make=make, cancel=cancel, pool=pool) as broker:
        for limit in (2, 3):
            began = time.monotonic()
            answer = await broker.qido(f"studies?limit={limit}")
            assert (answer.status_code, len(answer.json())) == (200, limit), answer.text
            assert time.monotonic() - began < 5
        assert (broker.pacs.cancels > 0) is (cancel == "cancel")


@BOTH
async def test_a_search_without_end_has_a_deadline(tmp_path: Path, make: Make) -> None:
    quirks = Quirks(endless=True)
    async with brokering(tmp_path, quirks, MANY, make=make, query_deadline=1.5) as broker:
        began = time.monotonic()
        status = 0
        try:
            answer = await broker.qido("studies")
            status = answer.status_code
        except httpx.RemoteProtocolError as error:  # an answer that is cut off
            assert "closed" in str(error) or "incomplete" in str(error), error  # noqa: PT017 - of httpx
        assert status != 200
        assert time.monotonic() - began < 8
        answers, error = await broker.find(Level.STUDY, {STUDY: ""})
        assert error is not None
        assert len(answers) <= 30


@pytest.mark.parametrize("kind", ["stalls", "drops"])
@pytest.mark.parametrize(
    ("point", "after"),
    [
        (Point.REQUEST, 0),
        (Point.ANSWER, 0),
        (Point.ANSWER, 5),
        (Point.BETWEEN, 5),
        (Point.FINAL, 0),
    ],
)
async def test_a_search_breaks_off(tmp_path: Path, kind: str, point: Point, after: int) -> None:
    quirks = Quirks(**{kind: point, "after": after})  # type: ignore[arg-type]
    async with brokering(tmp_path, quirks, MANY, pool={"size": 1}) as broker:
        status, text = 0, ""
        try:
            answer = await broker.qido("studies")
            status, text = answer.status_code, answer.text
        except httpx.RemoteProtocolError as error:  # an answer that is cut off
            assert "closed" in str(error) or "incomplete" in str(error), error  # noqa: PT017 - of httpx
        assert status in (0, 502, 503, 504), text
        answers, error = await broker.find(Level.STUDY, {STUDY: ""})
        assert error is not None
        assert len(answers) <= 30
        broker.pacs.quirks = Quirks()
        assert len((await broker.qido("studies")).json()) == 30


async def test_who_is_not_let_in_is_told_so(tmp_path: Path) -> None:
    async with brokering(tmp_path, Quirks(callers=frozenset())) as broker:
        assert (await broker.qido("studies")).status_code in (502, 503)
        web, dimse = await both(broker)
        assert_short(web)
        assert dimse.status not in (0, None)
        _, error = await broker.find(Level.STUDY, {STUDY: ""})
        assert error is not None


async def test_an_association_that_is_never_answered(tmp_path: Path) -> None:
    async with brokering(tmp_path, Quirks(stalls=Point.ASSOCIATE), acse_timeout=1.0) as broker:
        began = time.monotonic()
        assert (await broker.qido("studies")).status_code == 504
        assert_short(await broker.wado(ONE))
        assert time.monotonic() - began < 10


async def test_no_search_is_refused_by_name(tmp_path: Path) -> None:
    async with brokering(tmp_path, Quirks(refuses=FIND)) as broker:
        answer = await broker.qido("studies")
        assert answer.status_code >= 400
        assert_all(*await both(broker))


# Through the spool, as metadata, and on to another peer


@WAYS
@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(fails=1, claims=Claims.ALL),
        Quirks(nothing=True),
        Quirks(drops=Point.INSTANCE, after=1, spares_queries=True),
        Quirks(stalls=Point.BETWEEN, after=1, spares_queries=True),
    ],
)
async def test_the_spool_hides_nothing_that_is_missing(
    tmp_path: Path, way: str, quirks: Quirks
) -> None:
    settings = {"spool": True, "max_retries": 0, "retrieve": way}
    async with brokering(tmp_path, quirks, **settings) as broker:  # type: ignore[arg-type]  # each of its type
        for each in await both(broker):
            assert_short(each, *set(UIDS) - set(each.uids))
            assert len(each.uids) < 4
        broker.pacs.quirks = Quirks()
        assert_all(*await both(broker))


@WAYS
async def test_who_asks_at_the_same_time_shares_one_retrieval(tmp_path: Path, way: str) -> None:
    async with brokering(tmp_path, Quirks(slow=0.1), spool=True, retrieve=way) as broker:
        assert_all(*await asyncio.gather(*[broker.wado(ONE) for _ in range(4)]))
        assert len(broker.pacs.sent) == 4


@WAYS
@pytest.mark.parametrize("claims", Claims)
async def test_metadata_tells_what_is_missing(tmp_path: Path, way: str, claims: Claims) -> None:
    async with brokering(tmp_path, retrieve=way) as broker:
        answer = await broker.qido(f"{ONE}/metadata")
        assert (answer.status_code, len(answer.json())) == (200, 4)
        broker.pacs.quirks = Quirks(fails=1, claims=claims)
        answer = await broker.qido(f"{ONE}/metadata")
        assert (answer.status_code, len(answer.json())) == (206, 3)
        assert "Warning" in answer.headers
        broker.pacs.quirks = Quirks(nothing=True)
        assert (await broker.qido(f"{ONE}/metadata")).status_code == 502


@WAYS
async def test_who_leaves_in_the_middle_leaves_nothing_behind(tmp_path: Path, way: str) -> None:
    quirks = Quirks(slow=0.05)
    held = [made(1, 1, number) for number in range(1, 41)]
    async with brokering(tmp_path, quirks, held, retrieve=way, pool={"size": 2}) as broker:
        for _ in range(2):
            async with broker.client.stream("GET", f"{broker.url}/aets/PACS/{ONE}") as answer:
                async for _ in answer.aiter_raw():
                    break
            with anyio.move_on_after(0.3):
                await broker.get(Ref(study=uid(1)))
        await broker.idle()
        broker.pacs.quirks = Quirks()
        assert len((await broker.wado(ONE)).uids) == 40
