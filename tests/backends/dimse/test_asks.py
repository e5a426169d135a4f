import asyncio
import gc
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from struct import pack

import pytest
from pydicom import Dataset
from pynetdicom import evt
from pynetdicom.events import Event
from tests import peers
from tests.backends.dimse.conftest import Held
from tests.backends.dimse.test_pool import nothing_is_left, sockets
from tests.liar import HOST, Liar, Said, answer, lying

from hilum.backends.dimse import asks as module
from hilum.backends.dimse.asks import Asking
from hilum.backends.dimse.find import CONTEXTS
from hilum.backends.dimse.pool import Pool
from hilum.backends.dimse.remote import remote_of
from hilum.codec import associate, identifier, pdu, question
from hilum.codec.associate import Answered, AssociateAccept, Negotiation
from hilum.codec.dicom_json import Attributes
from hilum.codec.dimse import Service
from hilum.codec.sop_class import EXPLICIT_LE, PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from hilum.config.mounts import DimseMount
from hilum.config.mounts import Pool as Settings
from hilum.core.backend import Abilities, Asks
from hilum.model.errors import (
    BackendError,
    BackendTimeout,
    BadQuery,
    HilumError,
    NotOffered,
    OutOfResources,
)
from hilum.model.identity import Level
from hilum.model.query import Path, Query

pytestmark = pytest.mark.anyio
NAME: Path = (0x00100010,)
PATIENT_ID: Path = (0x00100020,)
STUDY: Path = (0x0020000D,)
SERIES: Path = (0x0020000E,)
INSTANCE: Path = (0x00080018,)
ALL = Query(Level.STUDY)
SCRIPT = Callable[[Liar], Awaitable[None]]


def mount(port: int, **settings: object) -> DimseMount:
    values: dict[str, object] = {
        "backend": "dimse", "aet": "PACS", "host": HOST, "port": port,
        "acse_timeout": 20.0, "query_timeout": 20.0, "pool": Settings(size=2, timeout=0.5),
    }  # fmt: skip
    return DimseMount(**{**values, **settings})  # type: ignore[arg-type]  # each is of its own type


@asynccontextmanager
async def asking(settings: DimseMount) -> AsyncIterator[tuple[Asking, Pool]]:
    remote = remote_of(settings, "HILUM_TEST")
    async with Pool(remote, settings.pool, relational=settings.relational == "auto") as pool:
        yield Asking(pool, settings), pool


def at(held: Held, **settings: object) -> DimseMount:
    return mount(held.remote.port, aet=held.remote.called, **settings)


async def found(asks: Asks, query: Query) -> list[Attributes]:
    async with asks.ask(query) as replies:
        return [each async for each in replies]


def a_match(number: int = 1, more: bytes = b"") -> bytes:
    return question.encode(Level.STUDY, {STUDY: f"1.2.{number}"}, EXPLICIT_LE) + more


async def pending(
    one: Liar, said: Said, data: Sequence[bytes] = (), status: int = 0xFF00, count: int = 0
) -> None:
    for each in (*data, *(a_match(number) for number in range(count))):
        one.say(answer(said, status, with_data=True), each, context_id=said.context_id)
    await one.writer.drain()


def end(one: Liar, said: Said, status: int = 0) -> None:
    one.say(answer(said, status), context_id=said.context_id)


async def question_of(one: Liar) -> Said:
    await one.accept()
    said = await one.message()
    assert said is not None
    return said


# --- real peers -----------------------------------------------------------------------------


async def test_a_real_peer_is_asked_at_each_level(held: Held) -> None:
    slices = held.study.slices
    async with asking(at(held)) as (asks, pool):
        assert (await asks.abilities()).levels == frozenset(Level)
        [patient] = await found(asks, Query(Level.PATIENT, {PATIENT_ID: held.study.patient_id}))
        assert patient["00100010"]["Value"] == [{"Alphabetic": "Demonstration^Scu"}]
        [study] = await found(asks, Query(Level.STUDY, {NAME: "Demonstr*"}))
        assert study["0020000D"]["Value"] == [held.study.uid]
        assert study["00100020"]["Value"] == [held.study.patient_id]
        series = await found(asks, Query(Level.SERIES, {STUDY: held.study.uid}))
        uids = {each["0020000E"]["Value"][0] for each in series}
        assert uids == {each.series_uid for each in slices}
        one = slices[0].series_uid
        images = await found(asks, Query(Level.IMAGE, {STUDY: held.study.uid, SERIES: one}))
        uids = {each["00080018"]["Value"][0] for each in images}
        assert uids == {each.sop_instance_uid for each in slices if each.series_uid == one}
        if held.kind != "dcmqrscp":  # which does not tell the class
            assert all(each["00080016"]["Value"] for each in images)
        assert await found(asks, Query(Level.STUDY, {NAME: "Nobody"})) == []
        assert (pool.in_use, pool.idle) == (0, 1)
    nothing_is_left(pool, held.remote.port)


async def test_the_patient_root_model_can_be_asked_instead(held: Held) -> None:
    async with asking(at(held, information_model="patient")) as (asks, _):
        query = Query(Level.STUDY, {PATIENT_ID: held.study.patient_id})
        [study] = await found(asks, query)
        assert study["0020000D"]["Value"] == [held.study.uid]


async def test_a_real_peer_can_be_left_early_and_asked_again(held: Held) -> None:
    series = held.study.slices[0].series_uid
    query = Query(Level.IMAGE, {STUDY: held.study.uid, SERIES: series})
    async with asking(at(held)) as (asks, pool):
        for _ in range(5):
            async with asks.ask(query) as replies:
                await anext(replies)
            assert pool.in_use == 0
        assert await found(asks, query)


async def test_everything_that_is_optional_can_be_asked_of_a_real_peer(held: Held) -> None:
    async with asking(at(held)) as (asks, _):
        query = Query(Level.STUDY, {STUDY: held.study.uid}, include_all=True)
        [study] = await found(asks, query)
        assert study["0020000D"]["Value"] == [held.study.uid]


# --- what is learned ------------------------------------------------------------------------


def accepting(extended: dict[str, bytes], refused: Sequence[str] = ()) -> SCRIPT:
    async def script(one: Liar) -> None:
        says = await one.requested()
        answers = tuple(
            Answered(each.id, 3 if each.abstract_syntax in refused else 0, EXPLICIT_LE)
            for each in says.contexts
        )
        negotiation = Negotiation(
            max_pdu=0, implementation_class_uid="1.2", extended=extended, roles={}
        )
        one.raw(
            pdu.encode(
                associate.encode(
                    AssociateAccept(
                        called_ae_title="PACS",
                        calling_ae_title="A",
                        contexts=answers,
                        negotiation=negotiation,
                    )
                )
            )
        )
        while (said := await one.message()) is not None:
            end(one, said)

    return script


LEVELS = frozenset({Level.STUDY, Level.SERIES, Level.IMAGE})


@pytest.mark.parametrize(
    ("extended", "refused", "settings", "expected"),
    [
        ({}, [], {}, Abilities(LEVELS | {Level.PATIENT}, relational=False)),
        ({STUDY_ROOT_FIND: b"\1"}, [], {}, Abilities(frozenset(Level), relational=True)),
        ({STUDY_ROOT_FIND: b"\0\1\1"}, [], {}, Abilities(frozenset(Level), relational=False)),
        ({PATIENT_ROOT_FIND: b"\1"}, [], {}, Abilities(frozenset(Level), relational=False)),
        (
            {PATIENT_ROOT_FIND: b"\1"},
            [],
            {"information_model": "patient"},
            Abilities(frozenset(Level), relational=True),
        ),
        ({}, [PATIENT_ROOT_FIND], {}, Abilities(LEVELS, relational=False)),
        ({}, [STUDY_ROOT_FIND], {}, Abilities(frozenset({Level.PATIENT}), relational=False)),
        (
            {STUDY_ROOT_FIND: b"\1"},
            [],
            {"relational": "never"},
            Abilities(frozenset(Level), relational=False),
        ),
    ],
)
async def test_what_the_peer_accepts_is_what_it_can_be_asked(
    extended: dict[str, bytes],
    refused: Sequence[str],
    settings: dict[str, object],
    expected: Abilities,
) -> None:
    async with (
        lying(accepting(extended, refused)) as port,
        asking(mount(port, **settings)) as (asks, pool),
    ):
        assert await asks.abilities() == expected
        assert await asks.abilities() == expected
        assert (pool.in_use, pool.idle) == (0, 1)


async def test_it_is_learned_again_when_the_peer_is_called_again() -> None:
    scripts = [accepting({}), accepting({STUDY_ROOT_FIND: b"\1"})]

    async def script(one: Liar) -> None:
        await scripts.pop(0)(one)

    settings = Settings(idle=0.1)
    async with lying(script) as port, asking(mount(port, pool=settings)) as (asks, _):
        assert not (await asks.abilities()).relational
        await asyncio.sleep(0.4)
        assert await found(asks, ALL) == []
        assert (await asks.abilities()).relational


async def test_a_level_that_the_peer_does_not_accept_is_not_offered() -> None:
    script = accepting({}, [PATIENT_ROOT_FIND])
    async with lying(script) as port, asking(mount(port)) as (asks, pool):
        with pytest.raises(NotOffered):
            await found(asks, Query(Level.PATIENT))
        assert (pool.in_use, pool.idle) == (0, 1)


@pytest.mark.parametrize("agreed", [True, False])
async def test_fuzzy_matching_is_agreed_on_first(*, agreed: bool) -> None:
    asked: list[object] = []
    extended = {STUDY_ROOT_FIND: b"\1\0\1"} if agreed else {}

    async def script(one: Liar) -> None:
        await accepting(extended)(Noting(one, asked))  # type: ignore[arg-type]  # as it

    async with lying(script) as port, asking(mount(port)) as (asks, pool):
        async with asks.ask(Query(Level.STUDY, {NAME: "Muller"}, fuzzy=True)) as replies:
            assert [each async for each in replies] == []
            assert replies.is_fuzzy is agreed
        assert (pool.in_use, pool.idle) == (0, 0)
    assert asked == [dict.fromkeys((uid for uid, _ in CONTEXTS), b"\1\0\1")]


class Noting:
    """A liar that notes what was asked for by extended negotiation."""

    def __init__(self, one: Liar, asked: list[object]) -> None:
        self._one, self._asked = one, asked

    async def requested(self) -> associate.AssociateRequest:
        says = await self._one.requested()
        self._asked.append(dict(says.negotiation.extended))
        return says

    def __getattr__(self, name: str) -> object:
        return getattr(self._one, name)


# --- the end ---------------------------------------------------------------------------------


async def test_who_has_enough_cancels_and_the_association_is_used_again() -> None:
    fields: list[int] = []

    async def script(one: Liar) -> None:
        await one.accept()
        while (said := await one.message()) is not None:
            fields.append(said.command.command_field)
            await pending(one, said, count=5)
            cancel = await one.message()
            assert cancel is not None
            fields.append(cancel.command.command_field)
            await pending(one, said, count=5)
            end(one, said, 0xFE00)

    async with lying(script) as port, asking(mount(port)) as (asks, pool):
        for _ in range(2):
            async with asks.ask(ALL) as replies:
                await anext(replies)
            assert (pool.in_use, pool.idle) == (0, 1)
    assert fields == [Service.C_FIND, Service.C_CANCEL] * 2


async def test_a_peer_that_is_not_to_be_cancelled_is_aborted() -> None:
    ends: list[pdu.Event | None] = []

    async def script(one: Liar) -> None:
        await pending(one, await question_of(one), count=5)
        ends.append(await one.event())

    async with lying(script) as port, asking(mount(port, cancel="abort")) as (asks, pool):
        async with asks.ask(ALL) as replies:
            await anext(replies)
        nothing_is_left(pool, port)
    assert isinstance(ends[0], pdu.Aborted)


async def test_pendings_that_never_end_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.3)

    async def script(one: Liar) -> None:
        said = await question_of(one)
        while True:
            await pending(one, said, count=1)
            await asyncio.sleep(0.01)

    began = time.monotonic()
    async with lying(script) as port, asking(mount(port)) as (asks, pool):
        async with asks.ask(ALL) as replies:
            await anext(replies)
        nothing_is_left(pool, port)
        assert time.monotonic() - began < 20  # with LINGER, as this peer does not even close


async def test_answers_without_end_run_out_of_time() -> None:
    async def script(one: Liar) -> None:
        said = await question_of(one)
        while True:
            await pending(one, said, count=1)
            await asyncio.sleep(0.01)

    async with lying(script) as port, asking(mount(port, query_deadline=0.4)) as (asks, pool):
        with pytest.raises(BackendTimeout, match=r"longer than 0\.4 s"):
            await found(asks, ALL)
        nothing_is_left(pool, port)


@pytest.mark.parametrize("matches", [0, 2])
async def test_a_peer_that_falls_silent_is_aborted(matches: int) -> None:
    ends: list[pdu.Event | None] = []

    async def script(one: Liar) -> None:
        await pending(one, await question_of(one), count=matches)
        ends.append(await one.event())

    began = time.monotonic()
    async with lying(script) as port, asking(mount(port, query_timeout=0.3)) as (asks, pool):
        with pytest.raises(BackendTimeout):
            await found(asks, ALL)
        nothing_is_left(pool, port)
    assert time.monotonic() - began < 20
    assert isinstance(ends[0], pdu.Aborted)


async def test_a_peer_that_falls_silent_in_the_middle_of_an_answer_is_aborted() -> None:
    async def script(one: Liar) -> None:
        said = await question_of(one)
        one.say(answer(said, 0xFF00, with_data=True), context_id=said.context_id)
        await one.last_word()

    async with lying(script) as port, asking(mount(port, query_timeout=0.3)) as (asks, pool):
        with pytest.raises(BackendTimeout):
            await found(asks, ALL)
        nothing_is_left(pool, port)


async def aborts(one: Liar) -> None:
    await pending(one, await question_of(one), count=1)
    one.raw(pdu.encode(pdu.Aborted(0, 0)))


async def closes(one: Liar) -> None:
    await pending(one, await question_of(one), count=1)


async def fails(one: Liar) -> None:
    said = await question_of(one)
    await pending(one, said, count=1)
    end(one, said, 0xA700)
    await one.message()


async def refuses(one: Liar) -> None:
    end(one, await question_of(one), 0xA900)
    await one.message()


@pytest.mark.parametrize(
    ("script", "kind"),
    [(aborts, BackendError), (closes, BackendError), (fails, OutOfResources), (refuses, BadQuery)],
)
async def test_what_goes_wrong_is_told_and_holds_nothing(
    script: SCRIPT, kind: type[HilumError]
) -> None:
    async with lying(script) as port, asking(mount(port)) as (asks, pool):
        with pytest.raises(kind):
            await found(asks, ALL)
        assert pool.in_use == 0


async def test_who_is_cancelled_holds_nothing() -> None:
    async def script(one: Liar) -> None:
        await pending(one, await question_of(one), count=1)
        await one.last_word()

    async with lying(script) as port, asking(mount(port)) as (asks, pool):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await found(asks, ALL)
        nothing_is_left(pool, port)


async def test_an_idle_association_that_is_dropped_as_we_ask_is_not_noticed() -> None:
    calls: list[int] = []

    async def script(one: Liar) -> None:
        calls.append(1)
        said = await question_of(one)
        await pending(one, said, count=1)
        end(one, said)
        if await one.message() is not None:
            one.raw(pdu.encode(pdu.Aborted(0, 0)))

    async with lying(script) as port, asking(mount(port)) as (asks, _):
        for _ in range(3):
            assert len(await found(asks, ALL)) == 1
    assert len(calls) == 3


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
async def test_two_hundred_queries_that_are_cut_off_leave_nothing() -> None:
    async def script(one: Liar) -> None:
        with suppress(AssertionError):  # it went before it asked
            await one.accept()
            while (said := await one.message()) is not None:
                if said.command.command_field == Service.C_FIND:
                    await pending(one, said, count=3)
                    await asyncio.sleep(0.005)
                    end(one, said)

    async def cut(first: int, asks: Asking) -> None:
        for number in range(first, first + 50):
            with suppress(TimeoutError):
                async with asyncio.timeout(number % 14 / 1000):
                    await found(asks, ALL)

    settings = Settings(size=4, timeout=20)
    async with lying(script) as port, asking(mount(port, pool=settings)) as (asks, pool):
        async with asyncio.TaskGroup() as group:
            for first in range(4):
                group.create_task(cut(first, asks))
        assert pool.in_use == 0
        assert sockets(port) == pool.idle <= 4
        assert len(await found(asks, ALL)) == 3
    nothing_is_left(pool, port)


@pytest.mark.usefixtures("no_garbage_collection")
async def test_two_hundred_queries_that_the_peer_cuts_off_leave_nothing() -> None:
    count = itertools.count()

    async def script(one: Liar) -> None:
        stage = next(count) % 4
        if stage == 0:
            return
        said = await question_of(one)
        if stage == 1:
            return
        await pending(one, said, count=1)
        if stage == 2:
            one.raw(pdu.encode(pdu.Aborted(0, 0)))
            return
        one.say(answer(said, 0xFF00, with_data=True), context_id=said.context_id)

    async def ask(asks: Asking) -> None:
        with pytest.raises(BackendError):
            await found(asks, ALL)

    settings = Settings(size=4, timeout=20)
    async with lying(script) as port, asking(mount(port, pool=settings)) as (asks, pool):
        async with asyncio.TaskGroup() as group:
            for _ in range(200):
                group.create_task(ask(asks))
        nothing_is_left(pool, port)


# --- the answers -----------------------------------------------------------------------------


async def test_what_the_peer_did_not_honour_is_told() -> None:
    async def script(one: Liar) -> None:
        said = await question_of(one)
        await pending(one, said, count=1, status=0xFF01)
        end(one, said)
        await one.message()

    async with (
        lying(script) as port,
        asking(mount(port)) as (asks, _),
        asks.ask(ALL) as replies,
    ):
        assert not replies.keys_ignored
        await anext(replies)
        assert replies.keys_ignored


async def test_what_cannot_be_read_is_passed_over_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = b"SECRET^NAME"

    async def script(one: Liar) -> None:
        said = await question_of(one)
        one.say(answer(said, 0xFF00), context_id=said.context_id)
        await pending(one, said, [b"", b"\xff" * 7 + secret, b"\0" * (2 * 1024 * 1024), a_match()])
        end(one, said)
        await one.message()

    async with lying(script) as port, asking(mount(port)) as (asks, pool):
        with caplog.at_level(logging.WARNING):
            async with asks.ask(ALL) as replies:
                answers = [each async for each in replies]
        assert (pool.in_use, pool.idle) == (0, 1)
    assert [each["0020000D"]["Value"] for each in answers] == [["1.2.1"]]
    assert replies.unreadable == 4
    lines = [each.getMessage() for each in caplog.records]
    assert lines[0] == "A match at PACS cannot be read: it has no identifier"
    assert len(lines) == 3
    assert not any("SECRET" in each for each in lines)


def text(raw: bytes, charset: bytes = b"") -> bytes:
    """An answer with a name in these bytes."""
    parts = b""
    for tag, vr, value in ((0x00080005, b"CS", charset), (0x00100010, b"PN", raw)):
        padded = value + b" " * (len(value) & 1)
        if padded:
            parts += pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(padded)) + padded
    return parts + question.encode(Level.STUDY, {STUDY: "1.2"}, EXPLICIT_LE)[16:]


@pytest.mark.parametrize(
    ("setting", "declared", "raw", "name"),
    [
        (None, b"ISO_IR 100", b"M\xfcller", "Müller"),
        (None, b"ISO_IR 144", "Иван".encode("iso8859_5"), "Иван"),
        (None, b"", b"M\xfcller", "Müller"),
        (None, b"", "Müller".encode(), "Müller"),
        (None, b"", b"\x1b$B;3ED\x1b(B", "山田"),
        ("ISO_IR 144", b"ISO_IR 100", "Иван".encode("iso8859_5"), "Иван"),
        ("ISO_IR 192", b"", "Иван".encode(), "Иван"),
        ("GB18030", b"", "王小东".encode("gb18030"), "王小东"),
    ],
)
async def test_names_are_read_as_declared_detected_or_set(
    setting: str | None, declared: bytes, raw: bytes, name: str
) -> None:
    async def script(one: Liar) -> None:
        said = await question_of(one)
        await pending(one, said, [text(raw, declared)])
        end(one, said)
        await one.message()

    async with lying(script) as port, asking(mount(port, charset=setting)) as (asks, _):
        [match] = await found(asks, ALL)
    assert match["00100010"]["Value"] == [{"Alphabetic": name}]
    assert match["00080005"]["Value"] == ["ISO_IR 192"]


@pytest.mark.parametrize(
    ("setting", "name", "encoding"),
    [
        (None, "Muller", ""),
        (None, "Müller", "ISO_IR 100"),
        (None, "Иван", "ISO_IR 192"),
        ("ISO_IR 144", "Иван", "ISO_IR 144"),
        ("ISO_IR 144", "Ivan", ""),
        ("ISO_IR 6\\ISO 2022 IR 87", "山田", "ISO_IR 192"),
    ],
)
async def test_a_peer_is_asked_in_the_character_set_that_it_is_set_to(
    setting: str | None, name: str, encoding: str
) -> None:
    asked: list[Said] = []

    async def script(one: Liar) -> None:
        said = await question_of(one)
        asked.append(said)
        end(one, said)
        await one.message()

    async with lying(script) as port, asking(mount(port, charset=setting)) as (asks, _):
        assert await found(asks, Query(Level.STUDY, {NAME: name})) == []
    read = identifier.parse(asked[0].data, EXPLICIT_LE)
    assert read.keys[NAME] == name
    assert read.encodings == ((encoding,) if encoding else ())


async def test_names_of_a_pynetdicom_peer_come_back_as_they_are() -> None:
    def handle(_event: Event) -> object:
        for number, (charset, name) in enumerate(
            [("ISO_IR 100", "Müller"), ("ISO_IR 192", "山田"), ("GB18030", "王^小东")]
        ):
            match = Dataset()
            match.SpecificCharacterSet = charset
            match.PatientName = name
            match.StudyInstanceUID = f"1.2.{number}"
            yield 0xFF00, match

    contexts = [(STUDY_ROOT_FIND, CONTEXTS[0][1])]
    with peers.pynetdicom({evt.EVT_C_FIND: handle}, contexts) as port:
        async with asking(mount(port)) as (asks, _):
            assert (await asks.abilities()).levels == LEVELS
            answers = await found(asks, ALL)
    names = [each["00100010"]["Value"][0]["Alphabetic"] for each in answers]
    assert names == ["Müller", "山田", "王^小东"]


def test_what_will_be_sent_can_be_read_beforehand() -> None:
    settings = mount(104)
    asks = Asking(Pool(remote_of(settings, "US"), settings.pool), settings)
    lines = asks.told(Query(Level.STUDY, {NAME: "A*"}, frozenset({(0x00081030,)})))
    assert lines[:2] == (
        f"C-FIND (Study Root) to PACS at {HOST}:104",
        "(0008,0052) QueryRetrieveLevel = STUDY",
    )
    assert "(0010,0010) PatientName = A*" in lines
    assert "(0008,1030) StudyDescription =" in lines
    assert asks.told(Query(Level.PATIENT))[0].startswith("C-FIND (Patient Root)")
