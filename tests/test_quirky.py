"""Each switch of the quirky PACS does what it says, on either make."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests import peers
from tests.contract.made import CT, made, uid
from tests.quirky import HOST, STRANGER, Cancel, Claims, Make, Pacs, Point, Quirks, quirky

from hilum.backends.dimse import find as finding
from hilum.backends.dimse import retrieve as retrieving
from hilum.backends.dimse.contexts import storage
from hilum.backends.dimse.echo import CONTEXT as ECHO
from hilum.backends.dimse.echo import echo
from hilum.backends.dimse.store import PeerStores
from hilum.codec import question
from hilum.codec.charset import charset_of
from hilum.codec.sop_class import (
    FIND,
    PATIENT_ROOT_FIND,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
)
from hilum.model.errors import (
    BackendError,
    BackendTimeout,
    BadQuery,
    NotOffered,
    UnknownDestination,
)
from hilum.model.identity import Level, Ref
from hilum.model.instance import Instance
from hilum.model.outcome import Progress, Stored
from hilum.upper_layer.association import Association
from hilum.upper_layer.requestor import Remote, associate
from hilum.upper_layer.standing import AssociationLost, AssociationRejected, Timeouts

pytestmark = pytest.mark.anyio
BOTH = pytest.mark.parametrize("make", list(Make), ids=lambda each: each.value)
NAME, DATE, MODALITIES = (0x00100010,), (0x00080020,), (0x00080061,)
STUDY, SERIES, INSTANCE = (0x0020000D,), (0x0020000E,), (0x00080018,)
PATIENCE = 0.6  # seconds after which silence is silence
FOUR = [made(1, series, number) for series in (1, 2) for number in (1, 2)]
MANY = [made(number, PatientName=f"Doe^{number}") for number in range(1, 31)]
UIDS = [uid(1, series, number) for series in (1, 2) for number in (1, 2)]
FIRST = {STUDY: uid(1)}


@dataclass
class Basket:
    """Takes what comes."""

    uids: list[str] = field(default_factory=list)
    originators: list[tuple[str, int | None]] = field(default_factory=list)

    async def store(self, instance: Instance, /) -> Stored:
        async for _ in instance.chunks:
            pass
        self.uids.append(instance.sop_instance_uid)
        return Stored(
            sop_class_uid=instance.sop_class_uid, sop_instance_uid=instance.sop_instance_uid
        )


@asynccontextmanager
async def to(pacs: Pacs, calling: str = "TESTER") -> AsyncIterator[Association]:
    """An association with all that is needed for any question."""
    remote = Remote(
        host=HOST,
        port=pacs.port,
        calling=calling,
        called=pacs.aet,
        timeouts=Timeouts(acse=PATIENCE, message=PATIENCE),
    )
    held = storage([CT], beside=7)
    wanted = [ECHO, *finding.CONTEXTS, *retrieving.GET_CONTEXTS, *retrieving.MOVE_CONTEXTS]
    extended = dict.fromkeys(FIND, finding.RELATIONAL)
    async with associate(
        remote, [*wanted, *held.wanted], roles=held.roles, extended=extended
    ) as association:
        yield association


async def found(
    pacs: Pacs,
    level: Level = Level.STUDY,
    keys: Mapping[tuple[int, ...], str] | None = None,
    **more: bool,
) -> list[dict[str, object]]:
    """The values of each answer, by keyword-free tag."""
    async with (
        to(pacs) as association,
        finding.find(association, level, keys or {STUDY: ""}, **more) as each,
    ):
        answers = [answer.described().attributes async for answer in each]
        return [*answers, {"ignored": True}] if each.keys_ignored else answers


async def got(
    pacs: Pacs, ref: Ref | None = None, until: float = 10.0
) -> tuple[list[str], retrieving.Retrieval]:
    """What a C-GET brings, and how it ended."""
    ref, basket = ref or Ref(study=uid(1)), Basket()
    async with asyncio.timeout(until), to(pacs) as association:
        keys = question.keys_of(ref)
        with suppress(BackendError):
            async with retrieving.get(association, ref.level, keys, basket) as retrieval:
                async for _ in retrieval:
                    pass
    return basket.uids, retrieval


@dataclass
class Receiver:
    """What came to a Move Destination: UID, calling AE title, originator, Message ID."""

    port: int = 0
    came: list[tuple[str, str, str, int | None]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A Move Destination made of pynetdicom."""
    from pynetdicom import evt  # noqa: PLC0415 - only here

    it = Receiver()

    def store(event: evt.Event) -> int:
        request = event.request
        it.came.append(
            (
                str(request.AffectedSOPInstanceUID),
                event.assoc.requestor.ae_title,
                str(request.MoveOriginatorApplicationEntityTitle or ""),
                request.MoveOriginatorMessageID,
            )
        )
        it.times.append(time.monotonic())
        return 0

    contexts = [(CT, ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])]
    with peers.pynetdicom({evt.EVT_C_STORE: store}, contexts, aet="RECEIVER") as port:
        it.port = port
        yield it


async def moved(
    pacs: Pacs, ref: Ref | None = None, destination: str = "RECEIVER"
) -> retrieving.Retrieval:
    """How a C-MOVE ended."""
    ref = ref or Ref(study=uid(1))
    async with to(pacs) as association:
        keys = question.keys_of(ref)
        async with retrieving.move(association, ref.level, keys, destination) as retrieval:
            async for _ in retrieval:
                pass
    return retrieval


def names(answers: Sequence[Mapping[str, object]]) -> list[str]:
    return [each["00100010"]["Value"][0]["Alphabetic"] for each in answers]  # type: ignore[index]


@BOTH
async def test_without_quirks_it_is_a_good_pacs(make: Make) -> None:
    with receiver() as it, quirky(FOUR, make=make, destinations={"RECEIVER": it.port}) as pacs:
        async with to(pacs) as association:
            await echo(association)
        assert [each["0020000D"]["Value"] for each in await found(pacs)] == [[uid(1)]]
        series = await found(pacs, Level.SERIES, {**FIRST, SERIES: ""})
        assert len(series) == 2
        uids, retrieval = await got(pacs)
        assert sorted(uids) == sorted(UIDS)
        assert (retrieval.status, retrieval.progress.completed) == (0, 4)
        uids, _ = await got(pacs, Ref(study=uid(1), series=uid(1, 2)))
        assert sorted(uids) == sorted(UIDS[2:])
        retrieval = await moved(pacs)
        assert (retrieval.status, retrieval.progress.completed) == (0, 4)
        assert sorted(each[0] for each in it.came) == sorted(UIDS)
        # pynetdicom has its own title where the Move Originator's belongs
        originator = "TESTER" if make is Make.OWN else "QUIRKY"
        assert {each[1:3] for each in it.came} == {("QUIRKY", originator)}
        assert [each.level for each in pacs.of("C-GET")] == [Level.STUDY, Level.SERIES]
        with pytest.raises(UnknownDestination):
            await moved(pacs, destination="NOBODY")
    assert pacs.open == 0


@BOTH
def test_dcmtk_takes_it_for_a_pacs(make: Make, tmp_path: Path) -> None:
    with (
        peers.storescp(tmp_path / "came", aet="RECEIVER") as it,
        quirky(FOUR, make=make, destinations={"RECEIVER": it.port}) as pacs,
    ):
        place = ["--call", pacs.aet, HOST, str(pacs.port)]
        keys = ["-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid(1)}"]
        done = peers.run([peers.dcmtk("findscu"), *keys, "-k", "PatientName", *place])
        assert (done.returncode, "Doe^Jane" in done.stdout) == (0, True), done.stdout
        folder = tmp_path / "got"
        folder.mkdir()
        done = peers.run([peers.dcmtk("getscu"), "-od", folder, *keys, *place])
        assert (done.returncode, len(list(folder.iterdir()))) == (0, 4), done.stdout
        done = peers.run([peers.dcmtk("movescu"), *keys, "-aem", "RECEIVER", *place])
        assert (done.returncode, len(it.files())) == (0, 4), done.stdout


@BOTH
async def test_it_stores(make: Make) -> None:
    with quirky(make=make) as pacs:
        remote = Remote(host=HOST, port=pacs.port, calling="TESTER", called=pacs.aet)
        async with PeerStores(remote).open() as session:
            assert (await session.store(FOUR[0].instance())).failure is None
        assert len(await found(pacs)) == 1
        assert pacs.of("C-STORE")


async def test_early_success_comes_before_the_instances() -> None:
    with receiver() as it:
        there = {"RECEIVER": it.port}
        with quirky(FOUR, Quirks(early_success=0.3), destinations=there) as pacs:
            retrieval = await moved(pacs)
            final = time.monotonic()
            assert (retrieval.status, retrieval.progress.completed) == (0, 4)
            assert it.came == []
            await until(lambda: len(it.came) == 4)
            assert it.times[0] - final > 0.2


@pytest.mark.parametrize(
    ("quirks", "came"),
    [
        (Quirks(no_originator=True), ("QUIRKY", "", None)),
        (Quirks(wrong_message_id=True), ("QUIRKY", "TESTER", 1001)),
        (Quirks(store_title="OTHER"), ("OTHER", "TESTER", 1)),
        (Quirks(), ("QUIRKY", "TESTER", 1)),
    ],
)
async def test_who_says_to_send_and_why(quirks: Quirks, came: tuple[str, str, int | None]) -> None:
    with receiver() as it, quirky(FOUR[:1], quirks, destinations={"RECEIVER": it.port}) as pacs:
        assert (await moved(pacs)).progress.completed == 1
    assert [each[1:] for each in it.came] == [came]


@BOTH
async def test_success_of_nothing(make: Make) -> None:
    with receiver() as it:
        there = {"RECEIVER": it.port}
        with quirky(FOUR, Quirks(nothing=True), make=make, destinations=there) as pacs:
            uids, retrieval = await got(pacs)
            assert (uids, retrieval.status, retrieval.progress) == ([], 0, Progress())
            retrieval = await moved(pacs)
            assert (it.came, retrieval.status, retrieval.progress) == ([], 0, Progress())


@pytest.mark.parametrize(
    ("claims", "status", "told"),
    [
        (Claims.TRUTH, 0xB000, Progress(completed=3, failed=1)),
        (Claims.SUCCESS, 0, Progress(completed=3, failed=1)),
        (Claims.ALL, 0, Progress(completed=4)),
    ],
)
async def test_what_it_says_of_what_failed(claims: Claims, status: int, told: Progress) -> None:
    with receiver() as it:
        there = {"RECEIVER": it.port}
        with quirky(FOUR, Quirks(fails=1, claims=claims), destinations=there) as pacs:
            retrieval = await moved(pacs)
            now = retrieval.progress
            assert (retrieval.status, len(it.came)) == (status, 3)
            assert (now.completed, now.failed) == (told.completed, told.failed)
            assert now.failed_uids == ((pacs.sent and UIDS[3],) if status else ())
            uids, retrieval = await got(pacs)
            assert (len(uids), retrieval.status) == (3, status)


@BOTH
@pytest.mark.parametrize(
    ("quirks", "came"),
    [
        (Quirks(only=1), UIDS[:1]),
        (Quirks(twice=True), [UIDS[0], *UIDS]),
        (Quirks(stranger=True), [STRANGER, *UIDS]),
    ],
)
async def test_what_it_sends(make: Make, quirks: Quirks, came: list[str]) -> None:
    with quirky(FOUR, quirks, make=make) as pacs:
        uids, retrieval = await got(pacs)
    assert retrieval.status == 0
    assert sorted(uids) == sorted(came)


@BOTH
async def test_it_sends_the_study_for_a_series_or_an_instance(make: Make) -> None:
    with quirky(FOUR, Quirks(ignores_level=True), make=make) as pacs:
        for ref in (Ref(series=uid(1, 1)), Ref(instance=UIDS[0])):
            uids, _ = await got(pacs, ref)
            assert sorted(uids) == sorted(UIDS)


@BOTH
async def test_answers_are_capped(make: Make) -> None:
    with quirky(MANY, Quirks(cap=7), make=make) as pacs:
        assert len(await found(pacs)) == 7


@BOTH
@pytest.mark.parametrize("tells", [False, True])
async def test_keys_are_ignored(make: Make, tells: bool) -> None:  # noqa: FBT001 - a parameter
    quirks = Quirks(ignores=frozenset(NAME), tells_ignored=tells)
    with quirky(MANY, quirks, make=make) as pacs:
        answers = await found(pacs, keys={STUDY: "", NAME: "Doe^7"})
        assert len(answers) == len(MANY) + tells
        assert len(await found(pacs, keys={STUDY: "", NAME: ""})) == len(MANY)
        assert len(await found(pacs, keys={STUDY: uid(7), NAME: "X"})) == 1 + tells


@BOTH
async def test_answers_are_doubled(make: Make) -> None:
    with quirky(FOUR, Quirks(duplicates=True), make=make) as pacs:
        first, second = await found(pacs)
        assert first == second


@BOTH
@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小东"),
    ],
)
@pytest.mark.parametrize("declares", [None, "ISO_IR 101"])
async def test_names_are_written_as_it_likes(
    make: Make, charset: str, text: str, declares: str | None
) -> None:
    held, quirks = [made(PatientName=text)], Quirks(charset=charset, declares=declares)
    async with _answer(held, quirks, make) as encoded:
        declared = b"ISO_IR 101" in encoded
        assert declared is (declares is not None)
        assert b"ISO_IR 192" not in encoded
        at = encoded.index(b"\x10\x00\x10\x00PN")
        length = int.from_bytes(encoded[at + 6 : at + 8], "little")
        raw = encoded[at + 8 : at + 8 + length]
        told, fault = charset_of(charset.encode()).decode(raw, person=True)
        assert (told.rstrip(), fault) == (text, None)


@asynccontextmanager
async def _answer(held: Sequence[object], quirks: Quirks, make: Make) -> AsyncIterator[bytes]:
    with quirky(held, quirks, make=make) as pacs:  # type: ignore[arg-type]
        async with (
            to(pacs) as association,
            finding.find(association, Level.STUDY, {NAME: ""}) as answers,
        ):
            encoded = [each.encoded async for each in answers]
        yield encoded[0]


@BOTH
async def test_no_lists_of_modalities(make: Make) -> None:
    with quirky(FOUR, Quirks(no_lists=True), make=make) as pacs:
        assert len(await found(pacs, keys={MODALITIES: "CT"})) == 1
        assert await found(pacs, keys={MODALITIES: "CT\\MR"}) == []


@BOTH
async def test_levels_it_does_not_have(make: Make) -> None:
    quirks = Quirks(no_image_level=True, no_patient_level=True)
    with quirky(FOUR, quirks, make=make) as pacs:
        with pytest.raises(BadQuery):
            await found(pacs, Level.IMAGE, {**FIRST, SERIES: uid(1, 1), INSTANCE: ""})
        with pytest.raises(BadQuery):
            await found(pacs, Level.PATIENT, {(0x00100020,): "P1"}, patient_root=True)


@BOTH
async def test_it_wants_the_unique_keys_above(make: Make) -> None:
    with quirky(FOUR, Quirks(relational=False), make=make) as pacs:
        with pytest.raises(BadQuery):
            await found(pacs, Level.SERIES, {SERIES: uid(1, 1)})
        assert len(await found(pacs, Level.SERIES, {**FIRST, SERIES: uid(1, 1)})) == 1


@pytest.mark.parametrize(
    ("quirks", "agreed"),
    [
        (Quirks(), True),
        (Quirks(relational=False), False),
        (Quirks(relational=False, agrees=True), True),
        (Quirks(agrees=False), False),
    ],
)
async def test_what_it_agrees_on(quirks: Quirks, agreed: bool) -> None:  # noqa: FBT001 - a parameter
    with quirky(FOUR, quirks) as pacs:
        async with to(pacs) as association:
            assert association.remote.extended[STUDY_ROOT_FIND][:1] == bytes((agreed,))


@BOTH
async def test_contexts_it_refuses(make: Make) -> None:
    refused = frozenset((PATIENT_ROOT_FIND, STUDY_ROOT_GET))
    with quirky(FOUR, Quirks(refuses=refused), make=make) as pacs:
        async with to(pacs) as association:
            accepted = {each.abstract_syntax for each in association.contexts.values()}
            assert STUDY_ROOT_FIND in accepted
            assert not accepted & refused
            with pytest.raises(NotOffered):
                await got_on(association)


async def got_on(association: Association) -> None:
    async with retrieving.get(association, Level.STUDY, FIRST, Basket()):
        pass


@BOTH
async def test_roles_it_refuses(make: Make) -> None:
    with quirky(FOUR, Quirks(no_roles=True), make=make) as pacs:
        async with to(pacs) as association:
            assert not any(each.peer_may_ask for each in association.contexts.values())
        uids, retrieval = await got(pacs)
        assert uids == []
        assert retrieval.progress.completed == 0


@BOTH
async def test_callers_it_rejects(make: Make) -> None:
    with quirky(FOUR, Quirks(callers=frozenset(["FRIEND"])), make=make) as pacs:
        async with to(pacs, "FRIEND") as association:
            await echo(association)
        with pytest.raises(AssociationRejected, match="calling AE title"):
            async with to(pacs):
                pass


async def test_the_association_is_never_answered() -> None:
    with quirky(FOUR, Quirks(stalls=Point.ASSOCIATE)) as pacs, pytest.raises(BackendTimeout):
        async with to(pacs):
            pass


@BOTH
@pytest.mark.parametrize(
    ("point", "answers", "instances"),
    [
        (Point.REQUEST, 0, 0),
        (Point.BETWEEN, 1, 1),
        (Point.FINAL, 30, 4),
        (Point.ANSWER, 1, 4),
        (Point.INSTANCE, 30, 1),
    ],
)
@pytest.mark.parametrize("kind", ["stalls", "drops"])
async def test_where_it_breaks_off(
    make: Make, kind: str, point: Point, answers: int, instances: int
) -> None:
    stalls = Quirks(stalls=point) if kind == "stalls" else Quirks(drops=point)
    if make is Make.PYNETDICOM and (kind == "drops" or point in (Point.ANSWER, Point.INSTANCE)):
        with pytest.raises(ValueError, match="pynetdicom"), quirky(MANY, stalls, make=make):
            pass
        return
    expected = BackendTimeout if kind == "stalls" else AssociationLost
    with quirky([*MANY[1:], *FOUR], stalls, make=make) as pacs:
        seen = 0
        try:
            async with (
                to(pacs) as association,
                finding.find(association, Level.STUDY, {STUDY: ""}, patience=0.1) as each,
            ):
                async for _ in each:
                    seen += 1
            broken = False
        except expected:
            broken = True
        assert (seen, broken) == (answers, point is not Point.INSTANCE)
        began = time.monotonic()
        uids, retrieval = await got(pacs)
        assert len(uids) == instances
        assert (retrieval.status is None) is (point is not Point.ANSWER)
        assert time.monotonic() - began < 20


async def test_a_move_breaks_off_too() -> None:
    with receiver() as it:
        there = {"RECEIVER": it.port}
        with quirky(FOUR, Quirks(drops=Point.INSTANCE), destinations=there) as pacs:
            retrieval = await moved(pacs)
            assert (retrieval.status, retrieval.progress.failed) == (0xB000, 1)
            assert len(it.came) == 3
        with quirky(FOUR, Quirks(drops=Point.BETWEEN), destinations=there) as pacs:
            with pytest.raises(AssociationLost):
                await moved(pacs)
            assert len(it.came) == 4


@BOTH
async def test_answers_never_end_until_they_are_cancelled(make: Make) -> None:
    with quirky(FOUR, Quirks(endless=True), make=make) as pacs:
        async with to(pacs) as association:
            async with finding.find(association, Level.STUDY, {STUDY: ""}) as answers:
                for _ in range(50):
                    await anext(answers)
            await echo(association)
        assert pacs.cancels >= 1


async def test_pending_responses_never_end() -> None:
    with quirky(FOUR, Quirks(endless=True)) as pacs, pytest.raises(TimeoutError):
        await got(pacs, until=0.5)
    assert pacs.sent == []


@BOTH
@pytest.mark.parametrize(
    ("cancel", "delay", "least", "survives"),
    [
        (Cancel.HONOURED, 0.0, 0.0, True),
        (Cancel.HONOURED, 0.5, 0.4, True),
        (Cancel.ABORTED, 0.0, 0.0, False),
        (Cancel.ABORTED, 0.5, 0.4, False),
        (Cancel.IGNORED, 0.0, 0.2, True),
    ],
)
async def test_what_becomes_of_a_cancel(
    make: Make,
    cancel: Cancel,
    delay: float,
    least: float,
    survives: bool,  # noqa: FBT001 - as above
) -> None:
    quirks = Quirks(slow=0.02, cancel=cancel, cancel_delay=delay)
    with quirky(MANY, quirks, make=make) as pacs:
        async with to(pacs) as association:
            with suppress(AssociationLost):
                async with finding.find(association, Level.STUDY, {STUDY: ""}) as answers:
                    await anext(answers)
                    began = time.monotonic()
            took = time.monotonic() - began
            if survives:
                await echo(association)
            else:
                await until(lambda: association.lost is not None)
        assert pacs.cancels >= 1
        assert least <= took < 20
        if cancel is Cancel.IGNORED:
            assert pacs.answers == len(MANY)


@BOTH
async def test_it_is_slow(make: Make) -> None:
    with quirky(MANY[:5], Quirks(slow=0.1), make=make) as pacs:
        began = time.monotonic()
        await found(pacs)
        assert time.monotonic() - began > 0.4


async def test_no_pending_responses() -> None:
    with receiver() as it:
        there = {"RECEIVER": it.port}
        for quirks, least in ((Quirks(), 3), (Quirks(silent=True), 1)):
            with quirky(FOUR, quirks, destinations=there) as pacs:
                async with to(pacs) as association:
                    moving = retrieving.move(association, Level.STUDY, FIRST, "RECEIVER")
                    async with moving as retrieval:
                        assert len([each async for each in retrieval]) >= least
                        if least == 1:
                            assert retrieval.progress.completed == 4


async def until(holds: Callable[[], bool], patience: float = 30.0) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
