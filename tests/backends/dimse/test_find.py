import time

import anyio
import pytest
from pydicom import Dataset
from pynetdicom import evt
from pynetdicom.events import Event
from tests import peers
from tests.backends.dimse.conftest import Held, calls
from tests.liar import HOST, Liar, Said, answer, lying

from hilum.backends.dimse.echo import CONTEXT as ECHO
from hilum.backends.dimse.echo import echo
from hilum.backends.dimse.find import CONTEXTS, RELATIONAL, Answer, find
from hilum.codec import identifier, pdu, question
from hilum.codec.associate import Answered
from hilum.codec.dicom_json import Attributes
from hilum.codec.dimse import Service
from hilum.codec.sop_class import EXPLICIT_LE, STUDY_ROOT_FIND
from hilum.model.errors import (
    BackendFault,
    BackendTimeout,
    BadDataset,
    BadQuery,
    HilumError,
    NotOffered,
    OutOfResources,
)
from hilum.model.identity import Level, Ref
from hilum.model.query import Path
from hilum.upper_layer.requestor import Remote, associate
from hilum.upper_layer.standing import AssociationLost, Timeouts

pytestmark = pytest.mark.anyio
NAME: Path = (0x00100010,)
PATIENT_ID: Path = (0x00100020,)
STUDY: Path = (0x0020000D,)
SERIES: Path = (0x0020000E,)
INSTANCE: Path = (0x00080018,)
ANY: dict[Path, str] = {STUDY: "", NAME: ""}


async def found(
    remote: Remote, level: Level, keys: dict[Path, str], *, patient_root: bool = False
) -> list[Attributes]:
    async with associate(remote, CONTEXTS) as association:
        async with find(association, level, keys, patient_root=patient_root) as answers:
            result = [answer.described().attributes async for answer in answers]
        assert answers.status == 0
    return result


def values(matches: list[Attributes], tag: str) -> list[object]:
    return sorted(each[tag]["Value"][0] for each in matches)


async def test_patients_are_found(held: Held) -> None:
    keys: dict[Path, str] = {PATIENT_ID: held.study.patient_id, NAME: ""}
    [match] = await found(held.remote, Level.PATIENT, keys, patient_root=True)
    assert match["00100010"]["Value"] == [{"Alphabetic": "Demonstration^Scu"}]


async def test_studies_are_found_by_a_wildcard(held: Held) -> None:
    keys = {NAME: "Demonstr*", STUDY: "", (0x00080020,): "20240101-20251231"}
    assert values(await found(held.remote, Level.STUDY, keys), "0020000D") == [held.study.uid]
    assert await found(held.remote, Level.STUDY, keys | {NAME: "Nobody*"}) == []


async def test_series_of_a_study_are_found(held: Held) -> None:
    keys = {**question.keys_of(Ref(study=held.study.uid)), SERIES: ""}
    matches = await found(held.remote, Level.SERIES, keys)
    assert values(matches, "0020000E") == sorted({each.series_uid for each in held.study.slices})


async def test_instances_of_a_series_are_found(held: Held) -> None:
    series = held.study.slices[0].series_uid
    keys = {**question.keys_of(Ref(study=held.study.uid, series=series)), INSTANCE: ""}
    matches = await found(held.remote, Level.IMAGE, keys)
    expected = [each.sop_instance_uid for each in held.study.slices if each.series_uid == series]
    assert values(matches, "00080018") == sorted(expected)


async def test_leaving_early_leaves_a_real_peer_usable(held: Held) -> None:
    series = held.study.slices[0].series_uid
    keys = {**question.keys_of(Ref(study=held.study.uid, series=series)), INSTANCE: ""}
    async with associate(held.remote, [*CONTEXTS, ECHO]) as association:
        for _ in range(3):
            async with find(association, Level.IMAGE, keys) as answers:
                assert isinstance(await anext(answers), Answer)
        await echo(association)


@pytest.mark.parametrize(
    ("name", "charset"),
    [("Müller^Jörg", "ISO_IR 100"), ("Иванов^Иван", "ISO_IR 144"), ("山田^太郎", "ISO_IR 192")],
)
async def test_names_come_back_as_they_are_whatever_the_peer_writes_in(
    name: str, charset: str
) -> None:
    asked: list[str] = []

    def handle(event: Event) -> object:
        query = event.identifier
        asked.append(str(query.PatientName))
        match = Dataset()
        match.SpecificCharacterSet = charset
        match.QueryRetrieveLevel = "STUDY"
        match.PatientName = name
        yield 0xFF00, match

    contexts = [(STUDY_ROOT_FIND, CONTEXTS[0][1])]
    with peers.pynetdicom({evt.EVT_C_FIND: handle}, contexts) as port:
        [match] = await found(calls(port, "PYNETDICOM"), Level.STUDY, {NAME: name})
    assert match["00100010"]["Value"] == [{"Alphabetic": name}]
    assert asked == [name]


def a_match(number: int = 1) -> bytes:
    return question.encode(Level.STUDY, {STUDY: f"1.2.{number}", NAME: "A"}, EXPLICIT_LE)


async def pending(one: Liar, said: Said, count: int, status: int = 0xFF00) -> None:
    for number in range(count):
        one.say(answer(said, status, with_data=True), a_match(number))
    await one.writer.drain()


def quick(port: int, timeout: float = 0.4) -> Remote:
    return Remote(
        host=HOST, port=port, calling="A", called="B",
        timeouts=Timeouts(acse=5.0, message=timeout),
    )  # fmt: skip


async def test_who_leaves_early_sends_a_cancel_and_reads_up_to_the_end() -> None:
    cancels: list[Said] = []

    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        await pending(one, said, 5)
        cancel = await one.message()
        assert cancel is not None
        cancels.append(cancel)
        await pending(one, said, 5)  # they crossed the cancel on their way
        one.say(answer(said, 0xFE00))
        echoed = await one.message()
        assert echoed is not None
        one.say(answer(echoed, 0))
        await one.message()

    async with lying(script) as port, associate(quick(port, 5), [*CONTEXTS, ECHO]) as association:
        async with find(association, Level.STUDY, ANY) as answers:
            assert isinstance(await anext(answers), Answer)
        await echo(association)
    [cancel] = cancels
    assert cancel.command.command_field == Service.C_CANCEL
    assert cancel.command.message_id_responded_to == 1
    assert not cancel.command.has_data


async def test_who_fails_inside_cancels_too_and_tells_of_the_first_failure() -> None:
    fields: list[int] = []

    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        await pending(one, said, 1)
        cancel = await one.message()
        assert cancel is not None
        fields.append(cancel.command.command_field)
        one.say(answer(said, 0xFE00))
        await one.message()

    async with lying(script) as port, associate(quick(port, 5), CONTEXTS) as association:
        with pytest.raises(ZeroDivisionError):
            async with find(association, Level.STUDY, ANY) as answers:
                _ = 1 // len(range(answers.status or 0))
        assert association.lost is None
    assert fields == [Service.C_CANCEL]


async def test_a_peer_that_does_not_honour_a_cancel_is_aborted() -> None:
    words: list[pdu.Event | None] = []

    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        await pending(one, said, 1)
        assert await one.message() is not None
        with anyio.move_on_after(30):
            while True:  # and goes on, for ever
                await pending(one, said, 1)
                await anyio.sleep(0.02)
        words.append(await one.last_word())

    began = time.monotonic()
    async with lying(script) as port, associate(quick(port, 5), CONTEXTS) as association:
        async with find(association, Level.STUDY, ANY, patience=0.3) as answers:
            await anext(answers)
        assert isinstance(association.lost, AssociationLost)
        assert time.monotonic() - began < 20


async def test_who_is_cancelled_aborts_at_once() -> None:
    words: list[pdu.Event | None] = []

    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        await pending(one, said, 1)
        words.append(await one.event())

    async with lying(script) as port:
        with anyio.move_on_after(0.2):
            async with (
                associate(quick(port, 5), CONTEXTS) as association,
                find(association, Level.STUDY, ANY) as answers,
            ):
                async for _ in answers:
                    pass
    assert isinstance(words[0], pdu.Aborted)


async def test_a_peer_that_is_not_to_be_cancelled_is_aborted_at_once() -> None:
    words: list[pdu.Event | None] = []

    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        await pending(one, said, 1)
        words.append(await one.event())

    async with lying(script) as port, associate(quick(port, 5), CONTEXTS) as association:
        async with find(association, Level.STUDY, ANY, patience=0) as answers:
            await anext(answers)
        assert association.lost is not None
    assert isinstance(words[0], pdu.Aborted)


async def test_a_peer_that_was_silent_for_too_long_is_not_waited_for_again() -> None:
    words: list[pdu.Event | None] = []

    async def script(one: Liar) -> None:
        await one.accept()
        assert await one.message() is not None
        words.append(await one.event())

    began = time.monotonic()
    async with lying(script) as port:
        with pytest.raises(BackendTimeout):
            async with (
                associate(quick(port, 0.3), CONTEXTS) as association,
                find(association, Level.STUDY, ANY) as answers,
            ):
                await anext(answers)
    assert time.monotonic() - began < 20
    assert isinstance(words[0], pdu.Aborted)


async def test_what_the_peer_does_not_support_is_told() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        await pending(one, said, 1)
        await pending(one, said, 1, status=0xFF01)
        one.say(answer(said, 0))
        await one.message()

    async with lying(script) as port, associate(quick(port, 5), CONTEXTS) as association:
        async with find(association, Level.STUDY, ANY) as answers:
            assert len([each async for each in answers]) == 2
        assert answers.keys_ignored
        assert answers.status == 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (0xA700, OutOfResources),
        (0xA900, BadQuery),
        (0xC001, BackendFault),
        (0x0122, NotOffered),
        (0xFE00, BackendFault),
        (None, BackendFault),
    ],
)
async def test_a_failure_is_told_after_the_matches_before_it(
    status: int | None, kind: type[HilumError]
) -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        await pending(one, said, 1)
        one.say(answer(said, status, error_comment="no more of it"))
        await one.message()

    async with lying(script) as port, associate(quick(port, 5), CONTEXTS) as association:
        async with find(association, Level.STUDY, ANY) as answers:
            assert (await anext(answers)).described().attributes["0020000D"]["Value"] == ["1.2.0"]
            with pytest.raises(kind):
                await anext(answers)
            assert answers.comment == "no more of it"
        assert association.lost is None


async def test_a_match_without_an_identifier_cannot_be_read_but_those_after_it_can() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        one.say(answer(said, 0xFF00))
        await pending(one, said, 1)
        one.say(answer(said, 0))
        await one.message()

    async with (
        lying(script) as port,
        associate(quick(port, 5), CONTEXTS) as association,
        find(association, Level.STUDY, ANY) as answers,
    ):
        first, second = [each async for each in answers]
        with pytest.raises(BadDataset, match="no identifier"):
            first.described()
        assert second.described().attributes["0020000D"]["Value"] == ["1.2.0"]


async def test_an_endless_identifier_is_not_read_to_its_end() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        one.say(answer(said, 0xFF00, with_data=True))
        piece = b"".join(
            pdu.encode_data(1, bytes(64 * 1024), is_command=False, last=False, size=16 * 1024)
        )
        for _ in range(300):
            one.raw(piece)
            await one.writer.drain()
        await one.last_word()

    async with (
        lying(script) as port,
        associate(quick(port, 5), CONTEXTS) as association,
        find(association, Level.STUDY, ANY, patience=0.3) as answers,
    ):
        with pytest.raises(BadDataset, match="no end"):
            (await anext(answers)).described()


async def test_a_peer_that_stops_between_two_matches_is_told_of_on_time() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        await pending(one, said, 1)
        await one.last_word()

    began = time.monotonic()
    async with lying(script) as port:
        with pytest.raises(HilumError, match="did not answer in time"):
            async with (
                associate(quick(port), CONTEXTS) as association,
                find(association, Level.STUDY, ANY, patience=0.3) as answers,
            ):
                _ = [each async for each in answers]
    assert time.monotonic() - began < 20


async def test_a_model_that_the_peer_does_not_accept_is_not_offered() -> None:
    async def script(one: Liar) -> None:
        await one.accept(answers=[Answered(1, 0, EXPLICIT_LE), Answered(3, 3, "")])
        await one.message()

    async with lying(script) as port, associate(quick(port, 5), CONTEXTS) as association:
        with pytest.raises(NotOffered):
            async with find(association, Level.PATIENT, {PATIENT_ID: ""}, patient_root=True):
                pytest.fail("it was not accepted")


async def test_a_key_that_cannot_be_written_is_refused_before_the_peer_is_asked() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        assert await one.message() is None

    async with lying(script) as port, associate(quick(port, 5), CONTEXTS) as association:
        with pytest.raises(BadQuery):
            async with find(association, Level.STUDY, {(0x00280010,): "many"}):
                pytest.fail("it cannot be asked")


async def test_relational_queries_are_asked_for_by_extended_negotiation() -> None:
    async def script(one: Liar) -> None:
        says = await one.accept()
        assert says.negotiation.extended == {STUDY_ROOT_FIND: b"\1"}
        said = await one.message()
        assert said is not None
        assert identifier.parse(said.data, EXPLICIT_LE).level is Level.IMAGE
        one.say(answer(said, 0))
        await one.message()

    extended = {STUDY_ROOT_FIND: RELATIONAL}
    async with (
        lying(script) as port,
        associate(quick(port, 5), CONTEXTS, extended=extended) as association,
        find(association, Level.IMAGE, {INSTANCE: ""}) as answers,
    ):
        assert [each async for each in answers] == []
