import asyncio
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from tests import peers
from tests.backends.dimse.conftest import calls, fill
from tests.backends.dimse.retrieving import US, Fetched, clean, fetched, here, open_files, settled
from tests.contract.made import Made, made, uid
from tests.quirky import STRANGER, Asked, Claims, Pacs, Point, Quirks, quirky
from tests.samples import GOOD

from hilum.cli.walk.study import study
from hilum.codec.sop_class import PATIENT_ROOT_FIND, STUDY_ROOT_FIND, STUDY_ROOT_GET
from hilum.model.errors import (
    BackendError,
    BackendFault,
    BackendTimeout,
    BackendUnavailable,
    Incomplete,
    NotFound,
    NotOffered,
)
from hilum.model.identity import Ref

pytestmark = pytest.mark.anyio
INSTANCES = [
    made(one, two, three) for one in (1, 2) for two in (1, 2) for three in (1, 2, 3)
]  # of two studies with two series each
WHOLE = {each.sop_instance_uid: each.data for each in INSTANCES[:6]}
FIRST = Ref(study=uid(1))
SOON = 0.4  # seconds
WAYS = ("get", "move")


@pytest.fixture
def pacs() -> Iterator[tuple[Pacs, int]]:
    """A PACS that knows us at a port of ours."""
    port = peers.free_port()
    with quirky(INSTANCES, destinations={US: port}) as running:
        yield running, port


Running = tuple[Pacs, int]


async def given(
    pacs: Running, folder: Path, *refs: Ref, quirks: Quirks, **settings: object
) -> Fetched:
    running, port = pacs
    running.quirks = quirks
    settings = {"arrival_timeout": SOON, **settings}
    before = asyncio.all_tasks()
    async with here(running.port, folder, port=port, **settings) as us:
        found = await fetched(us.fetcher, *(refs or [FIRST]))
        clean(us)
    assert asyncio.all_tasks() == before
    assert len(found.order) == len(set(found.order))
    return found


@pytest.mark.parametrize("way", [*WAYS, "auto"])
@pytest.mark.parametrize("model", ["study", "patient"])
async def test_a_study_comes_whole_and_as_it_is(
    pacs: Running, tmp_path: Path, way: str, model: str
) -> None:
    found = await given(pacs, tmp_path, quirks=Quirks(), retrieve=way, information_model=model)
    assert found.got == WHOLE
    assert found.error is None
    assert {each.sop_instance_uid for each in found.manifest or ()} == set(WHOLE)
    service = "C-MOVE" if way == "move" else "C-GET"
    assert [each.service for each in pacs[0].asked if each.service != "C-FIND"] == [service]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("refs", "asks", "count"),
    [
        ([Ref(study=uid(1))], ["STUDY"], 6),
        ([Ref(study=uid(1), series=uid(1, 2))], ["SERIES"], 3),
        ([Ref(study=uid(1), series=uid(1, 2), instance=uid(1, 2, 3))], ["IMAGE"], 1),
        ([Ref(patient="P2")], ["PATIENT"], 6),
        ([Ref(study=uid(1), series=uid(1, each)) for each in (1, 2)], ["SERIES"], 6),
        ([Ref(study=uid(1)), Ref(study=uid(2), series=uid(2, 1))], ["STUDY", "SERIES"], 9),
        ([Ref(study=uid(1), series=uid(1, 1)), Ref(study=uid(1))], ["SERIES", "STUDY"], 6),
    ],
)
async def test_it_is_asked_for_at_its_own_level_and_no_more_often_than_needed(  # noqa: PLR0913 - of a table
    pacs: Running, tmp_path: Path, way: str, *, refs: list[Ref], asks: list[str], count: int
) -> None:
    found = await given(pacs, tmp_path, *refs, quirks=Quirks(), retrieve=way)
    assert len(found.got) == count
    assert found.error is None
    asked = [each for each in pacs[0].asked if each.service != "C-FIND"]
    assert [each.level.value for each in asked if each.level] == asks


@pytest.mark.parametrize(
    ("way", "quirks"),
    [
        ("get", Quirks(silent=True)),
        ("get", Quirks(twice=True)),
        ("get", Quirks(stranger=True)),
        ("get", Quirks(no_image_level=True)),
        ("get", Quirks(no_image_level=True, stranger=True, twice=True)),
        ("get", Quirks(relational=False)),
        ("get", Quirks(relational=False, agrees=True)),
        ("get", Quirks(duplicates=True)),
        ("get", Quirks(cap=2)),
        ("get", Quirks(ignores=frozenset((0x0020000E, 0x0020000D)))),
        ("get", Quirks(refuses=frozenset((STUDY_ROOT_FIND, PATIENT_ROOT_FIND)))),
        ("move", Quirks(silent=True)),
        ("move", Quirks(twice=True)),
        ("move", Quirks(stranger=True)),
        ("move", Quirks(stranger=True, no_originator=True)),
        ("move", Quirks(no_image_level=True)),
        ("move", Quirks(no_image_level=True, no_originator=True, stranger=True)),
        ("move", Quirks(relational=False, agrees=True)),
        ("move", Quirks(cap=2)),
        ("move", Quirks(cap=2, no_originator=True)),
        ("move", Quirks(no_originator=True)),
        ("move", Quirks(wrong_message_id=True)),
        ("move", Quirks(store_title="OTHER")),
        ("move", Quirks(early_success=0.2)),
        ("move", Quirks(early_success=0.2, no_originator=True)),
        ("move", Quirks(early_success=0.2, no_image_level=True)),
        ("move", Quirks(refuses=frozenset((STUDY_ROOT_FIND, PATIENT_ROOT_FIND)))),
    ],
)
async def test_what_is_wrong_with_a_pacs_does_not_show(
    pacs: Running, tmp_path: Path, way: str, quirks: Quirks
) -> None:
    found = await given(pacs, tmp_path, quirks=quirks, retrieve=way)
    assert found.error is None
    assert found.got == WHOLE
    assert STRANGER not in found.order


@pytest.mark.parametrize("way", WAYS)
async def test_pending_responses_without_end_stop_at_the_deadline(
    pacs: Running, tmp_path: Path, way: str
) -> None:
    began = time.monotonic()
    quirks = Quirks(endless=True, nothing=True)
    found = await given(
        pacs, tmp_path, quirks=quirks, retrieve=way, query_deadline=0.2, retrieve_deadline=1.0
    )
    assert isinstance(found.error, BackendError)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("way", WAYS)
async def test_a_series_stays_a_series_where_the_pacs_sends_the_study(
    pacs: Running, tmp_path: Path, way: str
) -> None:
    ref = Ref(study=uid(1), series=uid(1, 2))
    found = await given(pacs, tmp_path, ref, quirks=Quirks(ignores_level=True), retrieve=way)
    assert set(found.got) == {uid(1, 2, each) for each in (1, 2, 3)}
    assert found.error is None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("claims", list(Claims))
async def test_what_did_not_come_is_asked_for_once_more_and_then_told(
    pacs: Running, tmp_path: Path, way: str, claims: Claims
) -> None:
    quirks = Quirks(fails=2, claims=claims)
    found = await given(pacs, tmp_path, quirks=quirks, retrieve=way)
    gone = {uid(1, 1, 3), uid(1, 2, 3)}
    assert set(found.got) == set(WHOLE) - gone
    assert isinstance(found.error, Incomplete)
    assert set(found.error.missing) == gone
    assert found.error.count == 2
    asked = [each for each in pacs[0].asked if each.service != "C-FIND"]
    assert [each.level.value for each in asked if each.level] == ["STUDY", "IMAGE", "IMAGE"]
    assert {each.keys[(0x00080018,)] for each in asked[1:]} == gone


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("claims", [Claims.TRUTH, Claims.SUCCESS])
async def test_counts_are_the_proof_where_nothing_is_listed(
    pacs: Running, tmp_path: Path, way: str, claims: Claims
) -> None:
    quirks = Quirks(fails=2, claims=claims, no_image_level=True)
    found = await given(pacs, tmp_path, quirks=quirks, retrieve=way)
    assert found.manifest is None
    assert len(found.got) == 4
    assert isinstance(found.error, Incomplete)
    assert found.error.count == 2


@pytest.mark.parametrize("way", WAYS)
async def test_a_success_of_nothing_is_not_believed(
    pacs: Running, tmp_path: Path, way: str
) -> None:
    found = await given(pacs, tmp_path, quirks=Quirks(nothing=True), retrieve=way)
    assert isinstance(found.error, Incomplete)
    assert set(found.error.missing) == set(WHOLE)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("claims", [Claims.TRUTH, Claims.SUCCESS])
async def test_when_all_failed_that_is_told(
    pacs: Running, tmp_path: Path, way: str, claims: Claims
) -> None:
    found = await given(pacs, tmp_path, quirks=Quirks(fails=9, claims=claims), retrieve=way)
    assert isinstance(found.error, BackendError) or "A702" in str(found.error)
    assert found.got == {}


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_is_there_of_what_the_pacs_does_not_know(
    pacs: Running, tmp_path: Path, way: str
) -> None:
    found = await given(pacs, tmp_path, Ref(study="1.2.3"), quirks=Quirks(), retrieve=way)
    assert found.manifest == []
    assert found.error is None
    assert {each.service for each in pacs[0].asked} == {"C-FIND"}


class _Once(list[Asked]):
    """Makes a PACS faulty for the first C-GETs or C-MOVEs that it gets, and for nothing else."""

    def __init__(self, pacs: Pacs, quirks: Quirks, count: int = 1) -> None:
        super().__init__()
        self._pacs, self._quirks, self._left = pacs, quirks, count

    def append(self, asked: Asked, /) -> None:
        faulty = asked.service != "C-FIND" and self._left > 0
        self._left -= faulty
        self._pacs.quirks = self._quirks if faulty else Quirks()
        super().append(asked)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("point", [Point.BETWEEN, Point.INSTANCE, Point.FINAL, Point.REQUEST])
@pytest.mark.parametrize("listed", [True, False])
async def test_a_pacs_that_is_lost_is_called_again_for_the_rest(
    pacs: Running, tmp_path: Path, way: str, point: Point, *, listed: bool
) -> None:
    faults = Quirks(drops=point, after=2)
    pacs[0].asked = _Once(pacs[0], faults)
    refused = frozenset(() if listed else (STUDY_ROOT_FIND, PATIENT_ROOT_FIND))
    found = await given(pacs, tmp_path, quirks=Quirks(refuses=refused), retrieve=way)
    assert found.error is None
    assert set(found.got) | set(found.cut) == set(WHOLE)
    assert set(found.got) & set(found.cut) == set()
    assert all(isinstance(each, BackendUnavailable) for each in found.cut.values())
    if point is not Point.INSTANCE:
        assert found.cut == {}
    elif way == "get" and listed:
        assert len(found.cut) <= 1  # one that was begun; before that, it is asked for again


@pytest.mark.parametrize("way", WAYS)
async def test_a_pacs_that_is_lost_again_is_not_called_a_third_time(
    pacs: Running, tmp_path: Path, way: str
) -> None:
    pacs[0].asked = _Once(pacs[0], Quirks(drops=Point.BETWEEN, after=1), count=9)
    found = await given(pacs, tmp_path, quirks=Quirks(), retrieve=way)
    assert isinstance(found.error, Incomplete)
    assert found.error.count == 6 - len(found.got)
    assert set(found.error.missing) == set(WHOLE) - set(found.got)


@pytest.mark.parametrize("way", WAYS)
async def test_a_silent_pacs_is_not_waited_for_longer_than_configured(
    pacs: Running, tmp_path: Path, way: str
) -> None:
    pacs[0].asked = _Once(pacs[0], Quirks(stalls=Point.BETWEEN, after=1), count=9)
    began = time.monotonic()
    found = await given(pacs, tmp_path, quirks=Quirks(), retrieve=way, retrieve_timeout=SOON)
    assert time.monotonic() - began < 20
    assert isinstance(found.error, Incomplete)
    assert found.error.count == 6 - len(found.got)
    pacs[0].halt()


async def test_auto_takes_a_c_move_where_there_is_no_c_get_and_remembers(
    pacs: Running, tmp_path: Path
) -> None:
    running, port = pacs
    for quirks in (Quirks(no_roles=True), Quirks(refuses=frozenset((STUDY_ROOT_GET,)))):
        running.quirks = quirks
        running.calls.clear()
        async with here(running.port, tmp_path, port=port, retrieve="auto") as us:
            for _ in range(2):
                assert (await fetched(us.fetcher, FIRST)).got == WHOLE
            clean(us)
        wanted = [
            any(e.abstract_syntax == STUDY_ROOT_GET for e in c.contexts) for c in running.calls
        ]
        assert wanted.count(True) == 1


async def test_a_c_get_that_was_configured_and_is_not_there_is_told(
    pacs: Running, tmp_path: Path
) -> None:
    found = await given(pacs, tmp_path, quirks=Quirks(no_roles=True), retrieve="get")
    assert isinstance(found.error, NotOffered)
    assert found.got == {}


async def test_a_pacs_that_does_not_know_us_is_a_fault_of_configuration(
    pacs: Running, tmp_path: Path
) -> None:
    settings = {"retrieve": "move", "receivers": ("NOBODY",)}
    found = await given(pacs, tmp_path, quirks=Quirks(), **settings)
    assert isinstance(found.error, BackendFault)
    assert "NOBODY" in str(found.error)


@pytest.mark.parametrize("way", WAYS)
async def test_a_pacs_that_is_away_is_told_before_anything(tmp_path: Path, way: str) -> None:
    async with here(peers.free_port(), tmp_path, retrieve=way) as us:
        with pytest.raises(BackendUnavailable):
            async with us.fetcher.retrieve([FIRST]):
                raise AssertionError
        clean(us)


class _Left(Exception):
    """The reader's own reason to go."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", ["leaves", "raises", "is cancelled"])
async def test_a_reader_that_goes_leaves_nothing_behind(
    pacs: Running, tmp_path: Path, way: str, how: str
) -> None:
    running, port = pacs
    running.quirks = Quirks(slow=0.02)
    async with here(running.port, tmp_path, port=port, retrieve=way) as us:
        await fetched(us.fetcher, Ref(study=uid(2), series=uid(2, 1)))
        await asyncio.sleep(0.1)
        tasks, files = asyncio.all_tasks(), open_files()

        async def read() -> None:
            async with us.fetcher.retrieve([FIRST]) as retrieval:
                instance = await anext(retrieval.instances)
                await anext(instance.chunks)
                if how == "raises":
                    raise _Left
                if how == "is cancelled":
                    await asyncio.sleep(60)

        reading = asyncio.wait_for(read(), 0.3 if how == "is cancelled" else 30)
        if how == "raises":
            with pytest.raises(_Left):
                await reading
        elif how == "is cancelled":
            with pytest.raises(TimeoutError):
                await reading
        else:
            await reading
        clean(us)
        assert us.pool.in_use == 0
        await settled(tasks)
        assert asyncio.all_tasks() - tasks == set()
        assert len(open_files()) <= len(files)


@pytest.mark.parametrize("way", WAYS)
async def test_an_instance_that_its_reader_leaves_does_not_keep_the_others(
    pacs: Running, tmp_path: Path, way: str
) -> None:
    running, port = pacs
    async with here(running.port, tmp_path, port=port, retrieve=way) as us:
        read = []
        async with us.fetcher.retrieve([FIRST]) as retrieval:
            async for each in retrieval.instances:
                if len(read) != 1:
                    assert b"".join([piece async for piece in each.chunks])
                read.append(each.sop_instance_uid)
        clean(us)
    assert set(read) == set(WHOLE)


async def test_200_retrievals_that_are_left_in_the_middle_leave_nothing(
    pacs: Running, tmp_path: Path
) -> None:
    running, port = pacs
    async with here(running.port, tmp_path, port=port, retrieve="get") as us:
        await fetched(us.fetcher, FIRST)
        tasks, files = asyncio.all_tasks(), open_files()
        for _ in range(200):
            async with us.fetcher.retrieve([FIRST]) as retrieval:
                await anext(await _first(retrieval.instances))
            assert us.pool.in_use == 0
        assert asyncio.all_tasks() - tasks == set()
        assert len(open_files()) <= len(files)


async def _first(instances: object) -> object:
    return (await anext(instances)).chunks  # type: ignore[call-overload]


@pytest.mark.parametrize("way", WAYS)
async def test_only_uncompressed_syntaxes_are_taken_where_that_is_configured(
    pacs: Running, tmp_path: Path, way: str
) -> None:
    found = await given(pacs, tmp_path, quirks=Quirks(), retrieve=way, uncompressed=True)
    assert set(found.got) == set(WHOLE)
    assert all(each.transfer_syntax_uid is None for each in found.manifest or ())
    if way == "get":
        asked = [
            c for c in pacs[0].calls if any(e.abstract_syntax == STUDY_ROOT_GET for e in c.contexts)
        ]
        syntaxes = {one for c in asked for e in c.contexts for one in e.transfer_syntaxes}
        assert all(one.startswith("1.2.840.10008.1.2") and ".4." not in one for one in syntaxes)


async def test_a_retrieval_with_more_classes_than_contexts_takes_several_associations(
    tmp_path: Path,
) -> None:
    classes = [f"1.2.840.10008.5.1.4.1.1.{each}" for each in ("2", "4", "7", "1", "20", "128")]
    classes += [f"1.2.826.0.1.3680043.10.1777.9.{each}" for each in range(24)]  # private ones
    instances: list[Made] = [made(1, 1, at, SOPClassUID=kind) for at, kind in enumerate(classes, 1)]
    with quirky(instances) as running:
        async with here(running.port, tmp_path, retrieve="get") as us:
            found = await fetched(us.fetcher, FIRST)
            clean(us)
    assert found.error is None
    assert found.got == {each.sop_instance_uid: each.data for each in instances}


@pytest.mark.parametrize("kind", ["orthanc", "dcmqrscp"])
@pytest.mark.parametrize("way", [*WAYS, "auto"])
async def test_a_real_pacs_gives_every_level(tmp_path: Path, kind: str, way: str) -> None:
    port = peers.free_port()
    if kind == "orthanc":
        running = peers.orthanc(tmp_path / "pacs", modalities={"us": (US, port)})
    else:
        running = peers.dcmqrscp(tmp_path / "pacs", moves={US: port})
    held = study("FETCH")
    first = held.slices[0]
    with running as peer:
        await fill(calls(peer.port, peer.aet), held)
        settings = {"aet": peer.aet, "retrieve": way, "arrival_timeout": 2.0}
        async with here(peer.port, tmp_path, port=port, **settings) as us:
            series = Ref(study=held.uid, series=first.series_uid)
            both = [
                Ref(study=held.uid, series=each)
                for each in dict.fromkeys(one.series_uid for one in held.slices)
            ]
            few = [
                Ref(study=held.uid, series=first.series_uid, instance=each.sop_instance_uid)
                for each in held.slices[:2]
            ]
            for refs, count in (
                ([Ref(study=held.uid)], 6),
                ([series], 3),
                (both, 6),
                (few, 2),
                ([Ref(patient=held.patient_id)], 6),
            ):
                found = await fetched(us.fetcher, *refs)
                assert found.error is None
                assert len(found.got) == count
                clean(us)
            nothing = await fetched(us.fetcher, Ref(study="1.2.3"))
            assert nothing.manifest == []


@pytest.mark.parametrize("way", WAYS)
async def test_the_sample_files_come_from_orthanc_in_their_syntax_with_their_pixels(
    tmp_path: Path, way: str
) -> None:
    files = {}
    port = peers.free_port()
    with peers.orthanc(tmp_path / "pacs", modalities={"us": (US, port)}) as peer:
        for each in GOOD[:40]:
            peer.ask("/instances", each.read_bytes())
            read = dcmread(each)
            files[str(read.SOPInstanceUID)] = read
        settings = {"aet": peer.aet, "retrieve": way, "arrival_timeout": 5.0}
        got: dict[str, bytes] = {}
        async with here(peer.port, tmp_path, port=port, **settings) as us:
            for one in {str(each.StudyInstanceUID) for each in files.values()}:
                found = await fetched(us.fetcher, Ref(study=one))
                assert found.error is None
                got |= found.part10
            clean(us)
    assert set(got) == set(files)
    for key, data in got.items():
        read, sent = dcmread(BytesIO(data)), files[key]
        assert read.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
        assert read.get("PixelData") == sent.get("PixelData")


async def test_a_deadline_holds_for_all_of_it(pacs: Running, tmp_path: Path) -> None:
    for way in WAYS:
        quirks = Quirks(slow=0.15)
        began = time.monotonic()
        found = await given(pacs, tmp_path, quirks=quirks, retrieve=way, retrieve_deadline=0.8)
        assert time.monotonic() - began < 20
        assert isinstance(found.error, (Incomplete, BackendTimeout))


@pytest.mark.parametrize("way", WAYS)
async def test_an_instance_that_is_not_in_its_series_is_not_there_whatever_the_pacs_answers(
    pacs: Running, tmp_path: Path, way: str
) -> None:
    ref = Ref(study=uid(1), series=uid(1, 2), instance=uid(1, 2, 99))
    found = await given(pacs, tmp_path, ref, quirks=Quirks(unknown=0xC000), retrieve=way)
    assert isinstance(found.error, NotFound)
    assert len(pacs[0].of("C-FIND")) <= 3  # the instance, the series, what is in the series


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_is_said_not_to_be_there_where_instances_are_not_listed(
    pacs: Running, tmp_path: Path, way: str
) -> None:
    ref = Ref(study=uid(1), series=uid(1, 2), instance=uid(1, 2, 99))
    quirks = Quirks(unknown=0xC000, no_image_level=True)
    found = await given(pacs, tmp_path, ref, quirks=quirks, retrieve=way)
    assert type(found.error) is BackendFault
