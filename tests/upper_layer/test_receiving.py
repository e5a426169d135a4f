import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from tests.liar import HOST, Liar, Said, lying

from hilum.codec.associate import Role
from hilum.codec.dimse import A_DATA_SET, Command, Service
from hilum.codec.sop_class import IMPLICIT_LE, VERIFICATION
from hilum.model.errors import BadDataset, Conflict, HilumError, OutOfResources
from hilum.model.instance import Instance
from hilum.model.outcome import Stored
from hilum.upper_layer.association import Association
from hilum.upper_layer.receiving import receive, refuse
from hilum.upper_layer.requestor import Remote, associate
from hilum.upper_layer.standing import Timeouts

pytestmark = pytest.mark.anyio
CT = "1.2.840.10008.5.1.4.1.1.2"
DATA = bytes(range(256)) * 300


@dataclass
class Sink:
    """Does with an instance what it is told to.

    Attributes:
        reads: whether it reads the instance at all.
    """

    failure: HilumError | None = None
    warnings: tuple[str, ...] = ()
    reads: bool = True
    raises: HilumError | None = None
    got: bytes = b""
    instance: Instance | None = None

    async def store(self, instance: Instance, /) -> Stored:
        self.instance = instance
        if self.raises is not None:
            raise self.raises
        if self.reads:
            self.got = b"".join([chunk async for chunk in instance.chunks])
        return Stored(
            sop_class_uid=instance.sop_class_uid,
            sop_instance_uid=instance.sop_instance_uid,
            failure=self.failure,
            warnings=self.warnings,
        )


def asking(**changes: object) -> Command:
    values = {
        "command_field": Service.C_STORE,
        "message_id": 9,
        "data_set_type": A_DATA_SET,
        "affected_sop_class_uid": CT,
        "affected_sop_instance_uid": "1.2.3",
    }
    return Command(**{**values, **changes})  # type: ignore[arg-type]  # as named


@asynccontextmanager
async def asked(
    command: Command, data: bytes | None = DATA
) -> AsyncIterator[tuple[Association, list[Said]]]:
    """An association whose peer asks `command`, and what it is answered."""
    answers: list[Said] = []

    async def script(one: Liar) -> None:
        await one.accept()
        one.say(command, data, context_id=1)
        said = await one.message()
        if said is not None:
            answers.append(said)
            await one.last_word()

    async with lying(script) as port:
        there = Remote(
            host=HOST, port=port, calling="A", called="B", timeouts=Timeouts(message=5.0)
        )
        roles = {CT: Role(scu=False, scp=True)}
        async with associate(there, [(CT, (IMPLICIT_LE,))], roles=roles) as association:
            yield association, answers


async def test_an_instance_streams_into_the_sink_and_is_answered() -> None:
    sink = Sink()
    async with asked(asking()) as (association, answers):
        message = await association.next_request()
        assert message is not None
        stored = await receive(association, message, sink)
    assert stored.failure is None
    assert sink.got == DATA
    assert sink.instance is not None
    assert (sink.instance.sop_class_uid, sink.instance.sop_instance_uid) == (CT, "1.2.3")
    assert sink.instance.transfer_syntax_uid == IMPLICIT_LE
    [said] = answers
    assert said.command.command_field == 0x8001
    assert (said.command.status, said.command.message_id_responded_to) == (0, 9)
    assert said.command.affected_sop_instance_uid == "1.2.3"


@pytest.mark.parametrize(
    ("sink", "status", "comment"),
    [
        (Sink(warnings=("odd", "strange")), 0xB007, "odd; strange"),
        (Sink(failure=OutOfResources("no room")), 0xA700, "no room"),
        (Sink(failure=Conflict("another is kept"), reads=False), 0xC111, "another is kept"),
        (Sink(raises=BadDataset("not readable")), 0xC000, "not readable"),
    ],
)
async def test_the_answer_says_what_became_of_it(sink: Sink, status: int, comment: str) -> None:
    async with asked(asking()) as (association, answers):
        message = await association.next_request()
        assert message is not None
        await receive(association, message, sink)
    assert [(each.command.status, each.command.error_comment) for each in answers] == [
        (status, comment)
    ]


@pytest.mark.parametrize(
    ("command", "data", "status"),
    [
        (asking(affected_sop_class_uid="1.2.3"), DATA, 0xA900),
        (asking(affected_sop_class_uid=None), DATA, 0xA900),
        (asking(data_set_type=0x0101), None, 0xC000),
    ],
)
async def test_what_is_no_instance_is_refused_and_not_even_offered(
    command: Command, data: bytes | None, status: int
) -> None:
    sink = Sink()
    async with asked(command, data) as (association, answers):
        message = await association.next_request()
        assert message is not None
        stored = await receive(association, message, sink)
    assert stored.failure is not None
    assert sink.instance is None
    assert [each.command.status for each in answers] == [status]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (asking(), 0xA700),
        (asking(command_field=Service.C_ECHO, affected_sop_class_uid=VERIFICATION), 0x0211),
    ],
)
async def test_whatever_is_asked_can_be_refused(command: Command, status: int) -> None:
    async with asked(command) as (association, answers):
        message = await association.next_request()
        assert message is not None
        await refuse(association, message, OutOfResources("not now"))
    assert [each.command.status for each in answers] == [status]


async def test_a_peer_that_goes_away_in_the_middle_is_told_of() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        one.say(asking(), context_id=1)
        one.raw(b"\4\0\0\0\1\0\0\0\0\xfc" + b"\1\0" + bytes(40))
        await reading.wait()

    class Reading(Sink):
        async def store(self, instance: Instance, /) -> Stored:
            assert await anext(instance.chunks)
            reading.set()
            return await super().store(instance)

    reading = asyncio.Event()
    async with lying(script) as port:
        there = Remote(host=HOST, port=port, calling="A", called="B")
        async with associate(there, [(CT, (IMPLICIT_LE,))]) as association:
            message = await association.next_request()
            assert message is not None
            with pytest.raises(HilumError):
                await receive(association, message, Reading())
