from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.filebase import DicomBytesIO
from tests import peers
from tests.backends.dimse.conftest import RECEIVER, Held
from tests.liar import HOST, Liar, Said, answer, lying

from hilum.backends.dimse.contexts import storage
from hilum.backends.dimse.echo import CONTEXT as ECHO
from hilum.backends.dimse.echo import echo
from hilum.backends.dimse.retrieve import (
    GET_CONTEXTS,
    MOVE_CONTEXTS,
    Retrieval,
    get,
    move,
)
from hilum.cli.walk.receiver import Basket
from hilum.cli.walk.study import Slice
from hilum.codec import question
from hilum.codec.dimse import A_DATA_SET, Command, Service
from hilum.codec.sop_class import EXPLICIT_LE, IMPLICIT_LE, STUDY_ROOT_GET, VERIFICATION
from hilum.model.errors import (
    BackendFault,
    HilumError,
    NotOffered,
    OutOfResources,
    UnknownDestination,
)
from hilum.model.identity import Level, Ref
from hilum.model.instance import Instance
from hilum.model.outcome import Progress, Stored
from hilum.model.query import Path as Key
from hilum.upper_layer.association import Association
from hilum.upper_layer.requestor import Remote, associate
from hilum.upper_layer.standing import AssociationLost, Timeouts

pytestmark = pytest.mark.anyio
CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY: dict[Key, str] = question.keys_of(Ref(study="1.2.3"))


def below(held: Held, level: Level) -> tuple[Ref, list[Slice]]:
    slices = list(held.study.slices)
    first = slices[0]
    match level:
        case Level.PATIENT:
            return Ref(patient=held.study.patient_id), slices
        case Level.STUDY:
            return Ref(study=held.study.uid), slices
        case Level.SERIES:
            ref = Ref(study=held.study.uid, series=first.series_uid)
            return ref, [each for each in slices if each.series_uid == first.series_uid]
        case Level.IMAGE:
            ref = Ref(
                study=held.study.uid, series=first.series_uid, instance=first.sop_instance_uid
            )
            return ref, [first]


def read(encoded: bytes) -> Dataset:
    file = DicomBytesIO(encoded)
    return dcmread(file, force=True)


def normal(encoded: bytes) -> bytes:
    """Without what a peer may add or drop: group lengths, and its own way of writing."""
    out = DicomBytesIO()
    dcmwrite(out, read(encoded), implicit_vr=False, little_endian=True, enforce_file_format=False)
    return out.getvalue()


@asynccontextmanager
async def getting(remote: Remote, classes: Sequence[str] = (CT,)) -> AsyncIterator[Association]:
    planned = storage(classes, beside=3)
    wanted = [*GET_CONTEXTS, ECHO, *planned.wanted]
    async with associate(remote, wanted, roles=planned.roles) as association:
        yield association


@pytest.mark.parametrize("level", list(Level))
async def test_a_real_peer_gives_what_is_asked_for_on_the_same_association(
    held: Held, level: Level
) -> None:
    ref, slices = below(held, level)
    basket = Basket()
    async with getting(held.remote) as association:
        patient_root = level is Level.PATIENT
        retrieving = get(
            association, level, question.keys_of(ref), basket, patient_root=patient_root
        )
        async with retrieving as retrieval:
            seen = [progress async for progress in retrieval]
        await echo(association)
    assert retrieval.status == 0
    assert seen[-1] == Progress(completed=len(slices))
    assert [each.completed for each in seen] == sorted(each.completed for each in seen)
    expected = {each.sop_instance_uid: each.encoded for each in slices}
    if held.kind == "hilum":
        assert basket.got == expected
    else:
        assert {uid: normal(data) for uid, data in basket.got.items()} == {
            uid: normal(data) for uid, data in expected.items()
        }


async def test_a_real_peer_gives_nothing_for_what_it_does_not_have(held: Held) -> None:
    basket = Basket()
    async with (
        getting(held.remote) as association,
        get(association, Level.STUDY, question.keys_of(Ref(study="1.2.3.4")), basket) as retrieval,
    ):
        try:
            progresses = [each async for each in retrieval]
        except HilumError:  # Orthanc says C000 to it
            progresses = []
    assert all(each == Progress() for each in progresses)
    assert basket.got == {}


@pytest.mark.parametrize("level", [Level.STUDY, Level.IMAGE])
async def test_a_real_peer_moves_to_a_third_one(held: Held, level: Level, tmp_path: Path) -> None:
    ref, slices = below(held, level)
    with peers.storescp(tmp_path / "received", aet=RECEIVER, port=held.receiver) as receiver:
        async with (
            associate(held.remote, MOVE_CONTEXTS) as association,
            move(association, level, question.keys_of(ref), RECEIVER) as retrieval,
        ):
            seen = [progress async for progress in retrieval]
        assert retrieval.status == 0
        assert (seen[-1].completed, seen[-1].failed, seen[-1].warning) == (len(slices), 0, 0)
        assert len(receiver.files()) == len(slices)


async def test_a_destination_that_a_real_peer_does_not_know_is_refused(held: Held) -> None:
    ref, _ = below(held, Level.STUDY)
    kind = BackendFault if held.kind == "orthanc" else UnknownDestination
    async with (
        associate(held.remote, MOVE_CONTEXTS) as association,
        move(association, Level.STUDY, question.keys_of(ref), "NOBODY") as retrieval,
    ):
        with pytest.raises(kind):
            await anext(retrieval)


async def test_a_destination_where_nobody_listens_fails_every_sub_operation(held: Held) -> None:
    ref, slices = below(held, Level.STUDY)
    if held.kind != "hilum":
        pytest.skip("other peers give no counts then")
    async with (
        associate(held.remote, MOVE_CONTEXTS) as association,
        move(association, Level.STUDY, question.keys_of(ref), RECEIVER) as retrieval,
    ):
        progress = [each async for each in retrieval][-1]
    assert retrieval.status == 0xA702
    assert (progress.completed, progress.failed) == (0, len(slices))
    assert set(progress.failed_uids) == {each.sop_instance_uid for each in slices}
    assert isinstance(progress.reason, OutOfResources)


@dataclass
class Choosy:
    """Takes some, with a word about others.

    Attributes:
        refused, doubted: how many of the first ones, in this order.
    """

    refused: int = 0
    doubted: int = 0
    got: list[str] = field(default_factory=list)

    async def store(self, instance: Instance, /) -> Stored:
        size = sum([len(chunk) async for chunk in instance.chunks])
        assert size
        self.got.append(instance.sop_instance_uid)
        stored = Stored(
            sop_class_uid=instance.sop_class_uid, sop_instance_uid=instance.sop_instance_uid
        )
        if len(self.got) <= self.refused:
            return replace(stored, failure=OutOfResources("no room"))
        if len(self.got) <= self.refused + self.doubted:
            return replace(stored, warnings=("odd",))
        return stored


async def test_a_real_peer_hears_what_was_not_taken(held: Held) -> None:
    ref, slices = below(held, Level.STUDY)
    choosy = Choosy(refused=2, doubted=1)
    async with (
        getting(held.remote) as association,
        get(association, Level.STUDY, question.keys_of(ref), choosy) as retrieval,
    ):
        async for _ in retrieval:
            pass
    progress = retrieval.progress
    assert (progress.completed, progress.failed, progress.warning) == (len(slices) - 3, 2, 1)
    assert set(progress.failed_uids) == set(choosy.got[:2])
    assert str(progress.reason) == "no room"
    if held.kind == "hilum":
        assert retrieval.status == 0xB000


def quick(port: int, timeout: float = 5.0) -> Remote:
    return Remote(
        host=HOST, port=port, calling="A", called="B",
        timeouts=Timeouts(acse=5.0, message=timeout),
    )  # fmt: skip


def a_store(one: Liar, number: int, uid: str | None = None) -> None:
    """Ask the other side to store an instance."""
    at = next(each for each, (_, kind) in one.accepted.items() if kind == CT)
    one.say(
        Command(
            command_field=Service.C_STORE,
            message_id=100 + number,
            data_set_type=A_DATA_SET,
            affected_sop_class_uid=CT,
            affected_sop_instance_uid=uid or f"1.2.3.{number}",
        ),
        b"\x08\x00\x18\x00UI\x02\x001\0",
        context_id=at,
    )


async def stored(one: Liar, number: int) -> int | None:
    """Have one instance stored; the status that the other side answers."""
    a_store(one, number)
    said = await one.message()
    assert said is not None
    assert said.command.command_field == 0x8001
    assert said.command.message_id_responded_to == 100 + number
    return said.command.status


Script = Callable[[Liar, Said], Awaitable[None]]


def asked(script: Script) -> Callable[[Liar], Awaitable[None]]:
    """A peer that accepts, reads the request, and goes on as `script` says."""

    async def run(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        await script(one, said)
        await one.last_word()

    return run


async def followed(script: Script, into: Choosy | None = None) -> tuple[Retrieval, Choosy]:
    choosy = into or Choosy()
    async with (
        lying(asked(script)) as port,
        getting(quick(port)) as association,
        get(association, Level.STUDY, STUDY, choosy) as retrieval,
    ):
        async for _ in retrieval:
            pass
    return retrieval, choosy


async def test_a_peer_that_tells_nothing_until_the_end_is_followed_all_the_same() -> None:
    async def script(one: Liar, said: Said) -> None:
        for number in range(3):
            assert await stored(one, number) == 0
        one.say(answer(said, 0))

    retrieval, choosy = await followed(script)
    assert retrieval.progress == Progress(completed=3)
    assert choosy.got == ["1.2.3.0", "1.2.3.1", "1.2.3.2"]


async def test_success_is_not_believed_when_less_came_than_was_counted() -> None:
    async def script(one: Liar, said: Said) -> None:
        await stored(one, 0)
        one.say(answer(said, 0, completed=3, failed=0, warning=0))

    retrieval, _ = await followed(script)
    assert (retrieval.progress.completed, retrieval.progress.failed) == (1, 2)
    assert "than have come" in str(retrieval.progress.reason)


async def test_what_the_peer_could_not_send_has_failed() -> None:
    failed = question.encode(Level.STUDY, {(0x00080058,): "1.2.3.8\\1.2.3.9"}, EXPLICIT_LE)

    async def script(one: Liar, said: Said) -> None:
        await stored(one, 0)
        one.say(answer(said, 0xFF00, remaining=2, completed=1, failed=0, warning=0))
        final = answer(said, 0xB000, with_data=True, completed=1, failed=2, warning=0)
        one.say(replace(final, error_comment="2 too strange"), failed)

    retrieval, _ = await followed(script)
    assert (retrieval.progress.completed, retrieval.progress.failed) == (1, 2)
    assert retrieval.progress.failed_uids == ("1.2.3.8", "1.2.3.9")
    assert "B000H" in str(retrieval.progress.reason)
    assert (retrieval.status, retrieval.comment) == (0xB000, "2 too strange")


async def test_a_failure_with_counts_is_told_by_them() -> None:
    async def script(one: Liar, said: Said) -> None:
        one.say(answer(said, 0xA702, completed=0, failed=4, warning=0))

    retrieval, _ = await followed(script)
    assert retrieval.progress.failed == 4
    assert isinstance(retrieval.progress.reason, OutOfResources)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(0xA701, OutOfResources), (0xC000, BackendFault), (0x0122, NotOffered), (None, BackendFault)],
)
async def test_a_failure_of_the_whole_is_raised(status: int | None, kind: type[HilumError]) -> None:
    async def script(one: Liar, said: Said) -> None:
        one.say(answer(said, status))

    with pytest.raises(kind):
        await followed(script)


async def test_a_failed_list_that_cannot_be_read_changes_nothing() -> None:
    async def script(one: Liar, said: Said) -> None:
        one.say(answer(said, 0xB000, with_data=True, completed=0, failed=1, warning=0), b"rubbish")

    retrieval, _ = await followed(script)
    assert (retrieval.progress.failed, retrieval.progress.failed_uids) == (1, ())


async def test_other_requests_of_the_peer_are_turned_away_and_do_no_harm() -> None:
    statuses: list[int | None] = []

    async def script(one: Liar, said: Said) -> None:
        request = Command(
            command_field=Service.C_ECHO, message_id=7, affected_sop_class_uid=VERIFICATION
        )
        one.say(request)
        echoed = await one.message()
        assert echoed is not None
        statuses.append(echoed.command.status)
        statuses.append(await stored(one, 0))
        one.say(answer(said, 0))

    retrieval, _ = await followed(script)
    assert statuses == [0x0211, 0]
    assert retrieval.progress.completed == 1


async def test_an_instance_of_another_class_than_its_context_is_refused() -> None:
    statuses: list[int | None] = []

    async def script(one: Liar, said: Said) -> None:
        request = Command(
            command_field=Service.C_STORE, message_id=7, data_set_type=A_DATA_SET,
            affected_sop_class_uid="1.2.3", affected_sop_instance_uid="1.2.3.4",
        )  # fmt: skip
        at = next(each for each, (_, kind) in one.accepted.items() if kind == CT)
        one.say(request, b"\0\0", context_id=at)
        refused = await one.message()
        assert refused is not None
        statuses.append(refused.command.status)
        one.say(answer(said, 0, completed=0, failed=1, warning=0))

    retrieval, choosy = await followed(script)
    assert statuses == [0xA900]
    assert choosy.got == []
    assert retrieval.progress.failed_uids == ("1.2.3.4",)


async def test_who_leaves_early_cancels_and_takes_nothing_more() -> None:
    statuses: list[int | None] = []

    async def script(one: Liar, said: Said) -> None:
        assert await stored(one, 0) == 0
        one.say(answer(said, 0xFF00, remaining=9, completed=1, failed=0, warning=0))
        a_store(one, 1)  # crosses the cancel on its way
        cancel = await one.message()
        assert cancel is not None
        assert cancel.command.command_field == Service.C_CANCEL
        assert cancel.command.message_id_responded_to == said.command.message_id
        refused = await one.message()
        assert refused is not None
        statuses.append(refused.command.status)
        one.say(answer(said, 0xFE00, remaining=8, completed=1, failed=1, warning=0))
        echoed = await one.message()
        assert echoed is not None
        one.say(answer(echoed, 0))

    choosy = Choosy()
    async with lying(asked(script)) as port, getting(quick(port)) as association:
        async with get(association, Level.STUDY, STUDY, choosy) as retrieval:
            while (await anext(retrieval)).remaining != 9:
                pass
        await echo(association)
    assert choosy.got == ["1.2.3.0"]
    assert statuses == [0xA700]


async def test_a_peer_that_sends_on_after_a_cancel_is_aborted() -> None:
    async def script(one: Liar, _: Said) -> None:
        assert await stored(one, 0) == 0
        with anyio.move_on_after(5):
            for number in range(1, 10_000):
                a_store(one, number)
                if await one.message() is None:
                    break
                await anyio.sleep(0.01)

    async with lying(asked(script)) as port, getting(quick(port)) as association:
        async with get(association, Level.STUDY, STUDY, Choosy(), patience=0.3) as retrieval:
            await anext(retrieval)
        assert isinstance(association.lost, AssociationLost)


async def test_a_peer_that_leaves_in_the_middle_of_an_instance_is_told_of() -> None:
    async def script(one: Liar, _: Said) -> None:
        a_store(one, 0)
        await one.message()
        at = next(each for each, (_, kind) in one.accepted.items() if kind == CT)
        one.raw(b"\4\0\0\0\1\0\0\0\0\xfc" + bytes((at, 1)) + b"\0" * 17)
        await one.writer.drain()
        one.writer.close()

    with pytest.raises(HilumError):
        await followed(script)


async def test_an_instance_streams_while_it_arrives_and_holds_the_sender_back() -> None:
    """A sink that does not read lets the peer send no more than the buffers hold."""
    size, sent = 64 * 1024 * 1024, 0
    gate = anyio.Event()

    async def script(one: Liar, said: Said) -> None:
        nonlocal sent
        at = next(each for each, (_, kind) in one.accepted.items() if kind == CT)
        request = Command(
            command_field=Service.C_STORE, message_id=7, data_set_type=A_DATA_SET,
            affected_sop_class_uid=CT, affected_sop_instance_uid="1.2.3.4",
        )  # fmt: skip
        one.say(request, context_id=at)
        piece = b"\4\0\0\1\0\6\0\1\0\2" + bytes((at, 0)) + bytes(65536)
        while sent < size:
            one.raw(piece)
            sent += 65536
            await one.writer.drain()
        one.raw(b"\4\0\0\0\0\6\0\0\0\2" + bytes((at, 2)))
        assert await one.message() is not None
        one.say(answer(said, 0))

    class Slow(Choosy):
        async def store(self, instance: Instance, /) -> Stored:
            first = await anext(instance.chunks)
            await gate.wait()
            return await super().store(replace(instance, chunks=_chained(first, instance.chunks)))

    async def open_later() -> None:
        await anyio.sleep(0.5)
        assert 0 < sent < size // 2
        gate.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(open_later)
        retrieval, _ = await followed(script, Slow())
    assert sent == size
    assert retrieval.progress.completed == 1


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


async def test_a_model_that_the_peer_does_not_accept_is_not_offered() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        await one.last_word()

    async with (
        lying(script) as port,
        associate(quick(port), [ECHO, (CT, (IMPLICIT_LE,))]) as association,
    ):
        with pytest.raises(NotOffered, match=STUDY_ROOT_GET):
            async with get(association, Level.STUDY, STUDY, Choosy()):
                pytest.fail("it was not even proposed")


async def test_a_move_tells_what_the_peer_tells() -> None:
    seen: list[Progress] = []
    asked_for: list[str | None] = []

    async def script(one: Liar, said: Said) -> None:
        asked_for.append(said.command.move_destination)
        one.say(answer(said, 0xFF00, remaining=2, completed=0, failed=0, warning=0))
        one.say(answer(said, 0xFF00, remaining=1, completed=1, failed=0, warning=0))
        one.say(answer(said, 0xB000, completed=1, failed=1, warning=0))

    async with (
        lying(asked(script)) as port,
        associate(quick(port), MOVE_CONTEXTS) as association,
        move(association, Level.STUDY, STUDY, "THERE") as retrieval,
    ):
        seen = [each async for each in retrieval]
    assert asked_for == ["THERE"]
    assert [(each.remaining, each.completed, each.failed) for each in seen] == [
        (2, 0, 0), (1, 1, 0), (0, 1, 1),
    ]  # fmt: skip
    assert isinstance(seen[-1].reason, BackendFault)
