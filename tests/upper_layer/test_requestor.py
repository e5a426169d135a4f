import asyncio
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import pytest
from tests import liar, peers
from tests.liar import Liar, answer, lying

from hilum.codec import pdu
from hilum.codec.associate import Answered, Role, UserIdentity
from hilum.codec.dimse import Command, Service
from hilum.codec.pdu import AbortSource
from hilum.codec.sop_class import EXPLICIT_LE, IMPLICIT_LE, STUDY_ROOT_FIND, VERIFICATION
from hilum.model.errors import (
    BackendFault,
    BackendTimeout,
    BackendUnavailable,
    BadRequest,
)
from hilum.upper_layer.association import Association
from hilum.upper_layer.requestor import Remote, Wanted, associate
from hilum.upper_layer.standing import AssociationLost, AssociationRejected, Timeouts

pytestmark = pytest.mark.anyio
ECHO: Wanted = (VERIFICATION, (IMPLICIT_LE, EXPLICIT_LE))
CT = "1.2.840.10008.5.1.4.1.1.2"
QUICK = Timeouts(acse=0.4, message=0.4, idle=5.0)
PATIENT = Timeouts(acse=10.0, message=10.0, idle=10.0)


def at(port: int, timeouts: Timeouts = PATIENT, **more: object) -> Remote:
    values = {"host": peers.HOST, "port": port, "calling": "HILUM", "called": "LIAR"}
    return Remote(**values, timeouts=timeouts, **more)  # type: ignore[arg-type]  # as named


async def echo(association: Association) -> int | None:
    context = next(iter(association.contexts.values()))
    request = Command(
        command_field=Service.C_ECHO,
        message_id=association.next_id(),
        affected_sop_class_uid=VERIFICATION,
    )
    return (await association.request(context, request)).command.status


async def serve_echo(one: Liar) -> None:
    await one.accept()
    while said := await one.message():
        one.say(answer(said, 0))


def is_ours(word: pdu.Event | None) -> bool:
    return isinstance(word, pdu.Aborted)


async def test_an_association_opens_asks_and_is_released() -> None:
    words: list[object] = []

    async def script(one: Liar) -> None:
        says = await one.accept()
        words.extend(
            (says.calling_ae_title, says.called_ae_title, says.contexts[0].abstract_syntax)
        )
        said = await one.message()
        assert said is not None
        one.say(answer(said, 0))
        words.append(type(await one.event()))
        one.raw(pdu.encode(pdu.ReleaseAnswered()))

    async with lying(script) as port:
        async with associate(at(port), [ECHO]) as association:
            assert await echo(association) == 0
        assert isinstance(association.lost, AssociationLost)
    assert words == ["HILUM", "LIAR", VERIFICATION, pdu.ReleaseRequested]


@pytest.mark.parametrize(
    ("result", "source", "reason", "words"),
    [
        (1, 1, 3, "calling AE title not recognized"),
        (1, 1, 7, "called AE title not recognized"),
        (2, 3, 2, "local limit exceeded"),
        (1, 2, 2, "protocol version not supported"),
        (9, 9, 9, "unknown reason"),
    ],
)
async def test_a_rejection_says_why(result: int, source: int, reason: int, words: str) -> None:
    async def script(one: Liar) -> None:
        await one.requested()
        one.raw(pdu.encode(pdu.Rejected(result, source, reason)))
        assert await one.event() is None

    async with lying(script) as port:
        with pytest.raises(AssociationRejected, match=words):
            async with associate(at(port), [ECHO]):
                pytest.fail("it was rejected")


async def test_a_refused_connection_is_told_in_one_line() -> None:
    port = peers.free_port()
    with pytest.raises(BackendUnavailable) as caught:
        async with associate(at(port), [ECHO]):
            pytest.fail("nobody is there")
    assert str(caught.value) == f"no connection to 127.0.0.1:{port}: Connection refused"


async def test_a_name_with_several_addresses_that_all_refuse_says_so_once() -> None:
    port = peers.free_port()
    with pytest.raises(BackendUnavailable) as caught:
        async with associate(Remote(host="localhost", port=port, calling="A", called="B"), [ECHO]):
            pytest.fail("nobody is there")
    assert "Errno" not in str(caught.value)
    assert str(caught.value).endswith("Connection refused")


async def test_a_name_without_an_address_is_told() -> None:
    with pytest.raises(BackendUnavailable, match=r"no connection to no\.such\.host\.invalid:104: "):
        async with associate(
            Remote(host="no.such.host.invalid", port=104, calling="A", called="B"), [ECHO]
        ):
            pytest.fail("nobody is there")


@contextmanager
def deaf() -> Iterator[int]:
    """A port at which connections are neither taken nor refused: its backlog is full."""
    with socket.socket() as listener, socket.socket() as one, socket.socket() as two:
        listener.bind((peers.HOST, 0))
        listener.listen(0)
        for each in (one, two):
            each.setblocking(False)  # noqa: FBT003 - the socket's own signature
            each.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_a_connection_that_does_not_come_about_ends_on_time() -> None:
    began = time.monotonic()
    with deaf() as port, pytest.raises(BackendTimeout, match=r"no connection .* in 0\.3 s"):
        async with associate(at(port, connect_timeout=0.3), [ECHO]):
            pytest.fail("nobody is there")
    assert time.monotonic() - began < 20


async def test_a_peer_that_never_answers_is_aborted_on_time() -> None:
    words: list[pdu.Event | None] = []

    async def script(one: Liar) -> None:
        await one.requested()
        words.append(await one.last_word())

    began = time.monotonic()
    async with lying(script) as port:
        with pytest.raises(BackendTimeout, match="ARTIM"):
            async with associate(at(port, QUICK), [ECHO]):
                pytest.fail("it never answered")
    assert is_ours(words[0])
    assert time.monotonic() - began < 20


async def test_a_peer_that_stops_in_the_middle_of_its_answer_is_aborted_on_time() -> None:
    async def script(one: Liar) -> None:
        await one.requested()
        one.raw(struct.pack(">BxI", 2, 500) + bytes(40))
        assert is_ours(await one.last_word())

    async with lying(script) as port:
        with pytest.raises(BackendTimeout):
            async with associate(at(port, QUICK), [ECHO]):
                pytest.fail("it never answered")


LIES = {
    "an unknown PDU": b"\x99\0\0\0\0\x04\0\0\0\0",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "an endless A-ASSOCIATE-AC": struct.pack(">BxI", 2, 2**31),
    "a short A-ASSOCIATE-AC": struct.pack(">BxI", 2, 10) + bytes(10),
    "an item longer than its PDU": struct.pack(">BxI", 2, 72) + bytes(68) + b"\x10\0\xff\xff",
    "an A-ASSOCIATE-RQ": struct.pack(">BxI", 1, 68) + bytes(68),
    "a release": pdu.encode(pdu.ReleaseRequested()),
    "an answer to no release": pdu.encode(pdu.ReleaseAnswered()),
    "a message": liar.command_set(1, Command(command_field=0x8030, status=0)),
    "a long rejection": struct.pack(">BxI", 3, 40) + bytes(40),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
async def test_what_is_no_answer_to_a_request_is_aborted(lie: bytes) -> None:
    words: list[pdu.Event | None] = []

    async def script(one: Liar) -> None:
        await one.requested()
        one.raw(lie)
        words.append(await one.last_word())

    async with lying(script) as port:
        with pytest.raises(BackendFault, match="the peer broke the protocol"):
            async with associate(at(port), [ECHO]):
                pytest.fail("that was no answer")
    assert isinstance(words[0], pdu.Aborted)
    assert words[0].source == AbortSource.PROVIDER


async def test_an_abort_instead_of_an_answer_is_told() -> None:
    async def script(one: Liar) -> None:
        await one.requested()
        one.raw(pdu.encode(pdu.Aborted(2, 6)))
        assert await one.event() is None

    async with lying(script) as port:
        with pytest.raises(AssociationLost, match="its provider, reason 6"):
            async with associate(at(port), [ECHO]):
                pytest.fail("it aborted")


async def test_a_connection_that_just_closes_is_told() -> None:
    async def script(one: Liar) -> None:
        await one.requested()

    async with lying(script) as port:
        with pytest.raises(AssociationLost, match="closed"):
            async with associate(at(port), [ECHO]):
                pytest.fail("it closed")


async def test_only_what_was_proposed_and_accepted_is_open() -> None:
    async def script(one: Liar) -> None:
        await one.accept(
            answers=[
                Answered(1, 0, EXPLICIT_LE),  # as it should be
                Answered(3, 3, ""),  # refused
                Answered(5, 0, "1.2.840.10008.1.2.4.50"),  # a syntax that was not proposed
                Answered(99, 0, IMPLICIT_LE),  # a context that was not proposed
            ]
        )
        await one.message()

    wanted = [ECHO, (STUDY_ROOT_FIND, (IMPLICIT_LE,)), (CT, (IMPLICIT_LE,)), (CT, (EXPLICIT_LE,))]
    async with lying(script) as port, associate(at(port), wanted) as association:
        assert [(each.id, each.transfer_syntax) for each in association.contexts.values()] == [
            (1, EXPLICIT_LE)
        ]


@pytest.mark.parametrize(("given", "peer_may"), [(True, True), (False, False)])
async def test_roles_are_those_that_the_peer_agreed_to(given: bool, peer_may: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def script(one: Liar) -> None:
        says = await one.accept(roles=given)
        assert says.negotiation.roles == {CT: Role(scu=False, scp=True)}
        await one.message()

    roles = {CT: Role(scu=False, scp=True)}
    async with (
        lying(script) as port,
        associate(at(port), [(CT, (IMPLICIT_LE,))], roles=roles) as association,
    ):
        context = association.contexts[1]
        assert (context.peer_may_ask, context.we_may_ask) == (peer_may, not peer_may)


async def test_the_user_identity_is_carried() -> None:
    identity = UserIdentity(2, b"user", b"secret")

    async def script(one: Liar) -> None:
        assert (await one.accept()).negotiation.identity == identity
        await one.message()

    async with lying(script) as port, associate(at(port, identity=identity), [ECHO]):
        pass


@pytest.mark.parametrize("count", [0, 129])
async def test_no_and_too_many_contexts_are_refused_before_anybody_is_called(count: int) -> None:
    with pytest.raises(BadRequest, match=f"{count} presentation contexts"):
        async with associate(at(1), [ECHO] * count):
            pytest.fail("they cannot be proposed")


async def test_128_contexts_can_be_proposed() -> None:
    async with (
        lying(serve_echo) as port,
        associate(at(port), [ECHO] * 128) as association,
    ):
        assert sorted(association.contexts) == list(range(1, 256, 2))
        assert await echo(association) == 0


async def test_the_longest_pdu_of_the_peer_is_kept_to() -> None:
    lengths: list[int] = []

    async def script(one: Liar) -> None:
        await one.accept(max_pdu=200)
        event = await one.event()
        while isinstance(event, pdu.Fragment):
            lengths.append(len(event.data))
            if event.last and not event.is_command:
                break
            event = await one.event()
        request = Command(command_field=Service.C_STORE, message_id=1)
        one.say(answer(liar.Said(1, request), 0))
        await one.message()

    async with (
        lying(script) as port,
        associate(at(port), [(CT, (IMPLICIT_LE,))]) as association,
    ):
        request = Command(
            command_field=Service.C_STORE,
            message_id=association.next_id(),
            data_set_type=1,
            affected_sop_class_uid=CT,
            affected_sop_instance_uid="1.2.3",
        )
        await association.request(association.contexts[1], request, bytes(1001))
    assert max(lengths) <= 200 - 6
    assert all(length % 2 == 0 for length in lengths[:-1])


WRONG = {
    "a context that was not accepted": lambda one, said: one.say(answer(said, 0), context_id=77),
    "another message": lambda one, said: one.say(answer(said, 0, message_id_responded_to=999)),
    "another service": lambda one, said: one.say(answer(said, 0, command_field=0x8020)),
    "a data set without a command": lambda one, _: one.raw(liar.data_set(1, b"\0\0")),
    "no command set": lambda one, _: one.raw(
        b"".join(pdu.encode_data(1, b"nonsense!", is_command=True, last=True, size=100))
    ),
    "a longer PDU than was negotiated": lambda one, _: one.raw(struct.pack(">BxI", 4, 2**24)),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_a_response_that_is_none_is_aborted(wrong: object) -> None:
    words: list[pdu.Event | None] = []

    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        wrong(one, said)  # type: ignore[operator]
        words.append(await one.last_word())

    async with lying(script) as port:
        with pytest.raises(BackendFault, match="the peer broke the protocol"):
            async with associate(at(port), [ECHO]) as association:
                await echo(association)
    assert is_ours(words[0])


async def test_a_peer_that_does_not_respond_is_aborted_on_time() -> None:
    words: list[pdu.Event | None] = []

    async def script(one: Liar) -> None:
        await one.accept()
        await one.message()
        words.append(await one.last_word())

    began = time.monotonic()
    async with lying(script) as port:
        with pytest.raises(BackendTimeout):
            async with associate(at(port, QUICK), [ECHO]) as association:
                await echo(association)
    assert is_ours(words[0])
    assert time.monotonic() - began < 20


async def test_a_peer_that_stops_in_the_middle_of_a_response_is_aborted_on_time() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        one.raw(liar.command_set(1, answer(said, 0))[:-7])
        assert is_ours(await one.last_word())

    async with lying(script) as port:
        with pytest.raises(BackendTimeout):
            async with associate(at(port, QUICK), [ECHO]) as association:
                await echo(association)


@pytest.mark.parametrize("last", [pdu.Aborted(0, 0), pdu.ReleaseRequested(), None])
async def test_a_peer_that_leaves_instead_of_responding_is_told(
    last: pdu.Aborted | pdu.ReleaseRequested | None,
) -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        await one.message()
        if last is not None:
            one.raw(pdu.encode(last))
            await one.event()

    async with lying(script) as port:
        with pytest.raises(AssociationLost):
            async with associate(at(port), [ECHO]) as association:
                await echo(association)


async def test_a_peer_that_does_not_answer_a_release_is_aborted_on_time() -> None:
    words: list[pdu.Event | None] = []

    async def script(one: Liar) -> None:
        await one.accept()
        words.append(await one.event())
        words.append(await one.last_word())

    began = time.monotonic()
    async with lying(script) as port, associate(at(port, QUICK), [ECHO]):
        pass
    assert isinstance(words[0], pdu.ReleaseRequested)
    assert is_ours(words[1])
    assert time.monotonic() - began < 20


async def test_both_may_ask_for_release_at_once() -> None:
    words: list[pdu.Event | None] = []

    async def script(one: Liar) -> None:
        await one.accept()
        words.append(await one.event())
        one.raw(pdu.encode(pdu.ReleaseRequested()))
        words.append(await one.event())
        one.raw(pdu.encode(pdu.ReleaseAnswered()))
        words.append(await one.event())

    async with lying(script) as port, associate(at(port), [ECHO]):
        pass
    assert [type(word) for word in words] == [
        pdu.ReleaseRequested, pdu.ReleaseAnswered, type(None),
    ]  # fmt: skip


async def test_who_fails_inside_aborts() -> None:
    words: list[pdu.Event | None] = []

    async def script(one: Liar) -> None:
        await one.accept()
        words.append(await one.last_word())

    async with lying(script) as port:
        with pytest.raises(ZeroDivisionError):
            async with associate(at(port), [ECHO]):
                raise ZeroDivisionError
    assert isinstance(words[0], pdu.Aborted)
    assert words[0].source == AbortSource.USER


async def test_who_is_cancelled_inside_aborts_and_leaves_nothing_behind() -> None:
    words: list[pdu.Event | None] = []

    async def script(one: Liar) -> None:
        await one.accept()
        await one.message()
        words.append(await one.last_word())

    before = asyncio.all_tasks()
    async with lying(script) as port:
        with anyio.move_on_after(0.2) as scope:
            async with associate(at(port), [ECHO]) as association:
                await echo(association)
        assert scope.cancelled_caught
    assert is_ours(words[0])
    assert asyncio.all_tasks() == before


async def test_a_lost_association_fails_at_once_whatever_is_asked() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        one.raw(pdu.encode(pdu.Aborted(0, 0)))
        assert await one.event() is None

    lost = asyncio.Event()
    async with lying(script) as port, associate(at(port), [ECHO]) as association:
        association.on_lost(lost.set)
        await lost.wait()
        with pytest.raises(AssociationLost):
            await echo(association)


async def test_many_associations_one_after_another_leave_no_socket_behind() -> None:
    async with lying(serve_echo) as port:
        before = asyncio.all_tasks()
        for _ in range(50):
            async with associate(at(port), [ECHO]) as association:
                assert await echo(association) == 0
            assert association._transport.is_closing()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) <= len(before) + 1
