"""What is accepted of an association request, by itself and over the wire."""

import asyncio
import struct
from contextlib import AsyncExitStack

import pytest
from tests.upper_layer.doubles import CT, Answering, Keeping
from tests.upper_layer.wire import (
    HOST,
    PRIVATE,
    Raw,
    asking,
    faults,
    find,
    message,
    raw,
    request,
    serving,
    store,
    store_command,
    until,
)

from hilum.codec.associate import (
    Answered,
    AssociateAccept,
    Negotiation,
    Proposed,
    Result,
    Role,
    UserIdentity,
)
from hilum.codec.dimse import Command, Service
from hilum.codec.pdu import MAX_OURS, Pdu
from hilum.codec.sop_class import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    PATIENT_ROOT_FIND,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    VERIFICATION,
)
from hilum.upper_layer.negotiation import Offer, answer, opened

pytestmark = pytest.mark.anyio

JPEG, JPEG_LS, DEFLATED = (
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.1.99",
)
MR = "1.2.840.10008.5.1.4.1.1.4"
OPEN = Offer(max_pdu=131072)


def decided(*contexts: Proposed, offer: Offer = OPEN) -> list[tuple[int, str]]:
    accept, _ = answer(request(contexts=contexts), offer)
    return [(each.result, each.transfer_syntax) for each in accept.contexts]


@pytest.mark.parametrize(
    "syntaxes",
    [
        (JPEG, EXPLICIT_LE, IMPLICIT_LE),
        (IMPLICIT_LE, JPEG),
        (EXPLICIT_BE, EXPLICIT_LE),
        ("1.2.840.113619.5.2", IMPLICIT_LE),
    ],
)
def test_the_order_of_the_requestor_decides(syntaxes: tuple[str, ...]) -> None:
    assert decided(Proposed(1, CT, syntaxes)) == [(0, syntaxes[0])]


def test_services_speak_uncompressed_syntaxes_only() -> None:
    assert decided(
        Proposed(1, VERIFICATION, (JPEG, EXPLICIT_BE)),
        Proposed(3, STUDY_ROOT_FIND, (DEFLATED, IMPLICIT_LE)),
        Proposed(5, STUDY_ROOT_GET, (JPEG,)),
    ) == [(0, EXPLICIT_BE), (0, IMPLICIT_LE), (4, JPEG)]


def test_private_classes_and_syntaxes_are_taken() -> None:
    assert decided(Proposed(1, PRIVATE, ("1.3.46.670589.33.1",))) == [(0, "1.3.46.670589.33.1")]


@pytest.mark.parametrize(
    ("uid", "syntaxes", "result"),
    [
        ("1.2.840.10008.5.1.4.31", (IMPLICIT_LE,), Result.ABSTRACT_SYNTAX_NOT_SUPPORTED),
        ("1.2.840.10008.1.20.1", (IMPLICIT_LE,), Result.ABSTRACT_SYNTAX_NOT_SUPPORTED),
        ("", (IMPLICIT_LE,), Result.ABSTRACT_SYNTAX_NOT_SUPPORTED),
        ("../../etc/passwd", (IMPLICIT_LE,), Result.ABSTRACT_SYNTAX_NOT_SUPPORTED),
        ("1.2." + "3" * 64, (IMPLICIT_LE,), Result.ABSTRACT_SYNTAX_NOT_SUPPORTED),
        (CT, (), Result.TRANSFER_SYNTAXES_NOT_SUPPORTED),
        (CT, ("", "x"), Result.TRANSFER_SYNTAXES_NOT_SUPPORTED),
    ],
)
def test_what_is_not_taken_is_told(uid: str, syntaxes: tuple[str, ...], result: Result) -> None:
    [(found, _)] = decided(Proposed(1, uid, syntaxes))
    assert found == result


def test_classes_and_syntaxes_may_be_limited() -> None:
    offer = Offer(max_pdu=0, sop_classes=frozenset((CT,)), transfer_syntaxes=frozenset((JPEG,)))
    assert decided(
        Proposed(1, CT, (EXPLICIT_LE, JPEG)),
        Proposed(3, MR, (JPEG,)),
        Proposed(5, CT, (EXPLICIT_LE,)),
        Proposed(7, STUDY_ROOT_FIND, (EXPLICIT_LE,)),
        offer=offer,
    ) == [(0, JPEG), (3, JPEG), (4, EXPLICIT_LE), (0, EXPLICIT_LE)]


@pytest.mark.parametrize(
    ("asked", "given", "may_ask"),
    [
        (None, None, (False, True)),
        (Role(scu=True, scp=False), Role(scu=True, scp=False), (False, True)),
        (Role(scu=False, scp=True), Role(scu=False, scp=True), (True, False)),
        (Role(scu=True, scp=True), Role(scu=True, scp=True), (True, True)),
        (Role(scu=False, scp=False), Role(scu=False, scp=False), (False, False)),
    ],
)
def test_roles_are_answered_and_kept(
    asked: Role | None,
    given: Role | None,
    may_ask: tuple[bool, bool],
) -> None:
    roles = {CT: asked} if asked else {}
    says = request(negotiation=Negotiation(roles={**roles, MR: Role(scu=True, scp=True)}))
    accept, contexts = answer(says, OPEN)
    assert accept.negotiation.roles == ({CT: given} if given else {})
    assert (contexts[3].we_may_ask, contexts[3].peer_may_ask) == may_ask


def test_a_service_of_ours_is_asked_by_the_peer_only() -> None:
    says = request(negotiation=Negotiation(roles={STUDY_ROOT_FIND: Role(scu=True, scp=True)}))
    accept, contexts = answer(says, OPEN)
    assert accept.negotiation.roles == {STUDY_ROOT_FIND: Role(scu=True, scp=False)}
    assert not contexts[5].we_may_ask


def test_of_extended_negotiation_relational_and_fuzzy_are_given() -> None:
    asked = {
        STUDY_ROOT_FIND: b"\1\1\1\1\1\1" + bytes(1000),
        PATIENT_ROOT_FIND: b"\1",
        STUDY_ROOT_GET: b"\1\1",
        CT: b"\1\2\3",
        "1.2.3": b"",
    }
    accept, _ = answer(request(negotiation=Negotiation(extended=asked)), OPEN)
    assert accept.negotiation.extended == {
        STUDY_ROOT_FIND: b"\1\0\1\0\0\0",
        PATIENT_ROOT_FIND: b"\1",
        STUDY_ROOT_GET: b"\1\0",
    }


def test_what_the_acceptor_says_decides_what_is_open() -> None:
    says = request(
        contexts=tuple(Proposed(2 * at + 1, CT, (EXPLICIT_LE, JPEG)) for at in range(6)),
    )
    accept = AssociateAccept(
        called_ae_title="A",
        calling_ae_title="B",
        contexts=(
            Answered(1, 0, JPEG),
            Answered(3, 4, EXPLICIT_LE),
            Answered(5, 0, IMPLICIT_LE),  # never proposed
            Answered(9, 0, EXPLICIT_LE),
            Answered(99, 0, EXPLICIT_LE),
        ),
        negotiation=Negotiation(roles={CT: Role(scu=False, scp=True)}),
    )
    contexts, refused = opened(says, accept)
    assert {number: each.transfer_syntax for number, each in contexts.items()} == {
        1: JPEG,
        9: EXPLICIT_LE,
    }
    assert refused == {3, 5, 7, 11}
    assert (contexts[1].we_may_ask, contexts[1].peer_may_ask) == (False, True)


async def rejected(peer: Raw, **changes: object) -> tuple[int, int, int]:
    """Result, source and reason of the A-ASSOCIATE-RJ."""
    await peer.send(asking(**changes))
    kind, body = await peer.pdu()
    assert kind == Pdu.ASSOCIATE_RJ
    peer.writer.write_eof()
    await peer.closed()
    return body[1], body[2], body[3]


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"called_ae_title": "NOBODY"}, (1, 1, 7), "[mounts.NOBODY]"),
        ({"called_ae_title": "ODD AE.X"}, (1, 1, 7), '[mounts."ODD AE.X"]'),
        ({"called_ae_title": "A\nB\x1b[2J"}, (1, 1, 7), r"A\nB"),
        ({"called_ae_title": ""}, (1, 1, 7), '[mounts.""]'),
        ({"called_ae_title": "hilum"}, (1, 1, 7), "[mounts.hilum]"),
        ({"calling_ae_title": "STRANGER"}, (1, 1, 3), "[peers.STRANGER]"),
        ({"calling_ae_title": 'A"]\n[x'}, (1, 1, 3), r"""[peers."A\"]\n[x"]"""),
        ({"application_context": "1.2.3"}, (1, 1, 2), "application context"),
        ({"application_context": ""}, (1, 1, 2), "application context"),
        ({"protocol_version": 2}, (1, 2, 2), "protocol version"),
        ({"protocol_version": 0}, (1, 2, 2), "protocol version"),
    ],
)
async def test_who_is_not_wanted_is_rejected_and_the_log_says_what_to_do(
    changes: dict[str, object],
    reason: tuple[int, int, int],
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as served, raw(served.port) as peer:
        assert await rejected(peer, **changes) == reason
        await until(lambda: faults(caplog))
    [line] = faults(caplog)
    assert words in line
    assert HOST in line
    assert line.isprintable()


async def test_later_protocol_versions_are_taken_when_they_speak_the_first_too() -> None:
    async with serving() as served, raw(served.port) as peer:
        await peer.associate(protocol_version=3)


@pytest.mark.parametrize("called", ["HILUM", "ARCHIVE"])
async def test_the_server_and_its_mounts_may_be_called(called: str) -> None:
    async with serving() as served, raw(served.port) as peer:
        await peer.associate(called_ae_title=called)
        await peer.send(find())
        _, data = await peer.message()
        assert called.encode() in data  # the Retrieve AE Title


async def test_strangers_may_be_let_in() -> None:
    async with serving(accept_unknown_callers=True) as served, raw(served.port) as peer:
        await peer.associate(calling_ae_title="STRANGER")
        assert await peer.echo() == 0


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_associations": 3}, "max_associations "),
        ({"max_associations_per_peer": 3}, "max_associations_per_peer"),
    ],
)
async def test_more_associations_than_the_limit_are_rejected_for_now(
    limits: dict[str, int], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(**limits) as served, AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(raw(served.port)) for _ in range(3)]
        for peer in peers:
            await peer.associate()
        async with raw(served.port) as late:
            assert await rejected(late) == (2, 3, 2)
        await until(lambda: faults(caplog))
        assert words in faults(caplog)[0]
        await peers[0].release()
        peers[0].writer.close()
        await asyncio.sleep(0.05)
        async with raw(served.port) as later:
            await later.associate()
            assert await later.echo() == 0


async def test_connections_that_say_nothing_take_no_place_of_those_that_do() -> None:
    async with serving(max_associations=2) as served, AsyncExitStack() as stack:
        for _ in range(6):
            await stack.enter_async_context(raw(served.port))
        async with raw(served.port) as peer:
            await peer.associate()
            assert await peer.echo() == 0


async def test_a_crowd_of_connections_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(max_associations=1) as served, AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(raw(served.port)) for _ in range(5)]
        await peers[4].reader.read(1)
        await until(lambda: faults(caplog))
    assert "too many" in faults(caplog)[0]


async def test_128_contexts_are_answered_each() -> None:
    contexts = tuple(
        Proposed(2 * at + 1, CT if at % 2 else f"1.2.840.10008.9.{at}", (JPEG, EXPLICIT_LE))
        for at in range(128)
    )
    async with serving() as served, raw(served.port) as peer:
        accept = await peer.associate(contexts=contexts)
        assert [each.id for each in accept.contexts] == list(range(1, 256, 2))
        assert {each.result for each in accept.contexts} == {0}
        await peer.send(message(255, store_command(), b"x"))
        assert (await peer.message())[0].status == 0


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 5, 6, 255])
async def test_a_user_identity_of_any_type_does_no_harm(
    kind: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    identity = UserIdentity(kind, b"token-of-mine", b"secret-of-mine", response_requested=True)
    async with serving() as served, raw(served.port) as peer:
        await peer.associate(negotiation=Negotiation(identity=identity))
        assert await peer.echo() == 0
    assert "of-mine" not in caplog.text


async def test_an_answer_repeats_the_titles_and_says_who_we_are() -> None:
    async with serving(max_pdu=50_000) as served, raw(served.port) as peer:
        accept = await peer.associate()
        assert (accept.called_ae_title, accept.calling_ae_title) == ("HILUM", "PEER")
        assert accept.negotiation.max_pdu == 50_000
        assert accept.negotiation.implementation_class_uid
        assert accept.negotiation.implementation_version_name


@pytest.mark.parametrize("theirs", [0, 64, 100, 16384, 4_000_000_000])
async def test_what_we_send_fits_the_length_that_the_peer_takes(theirs: int) -> None:
    finds = Answering(count=1, width=300_000)
    async with serving(finds=finds) as served, raw(served.port) as peer:
        await peer.associate(negotiation=Negotiation(max_pdu=theirs))
        await peer.send(find())
        longest, last = 0, 0
        while last < 3:  # the ends of two commands and one data set
            kind, body = await peer.pdu()
            assert kind == Pdu.P_DATA_TF
            longest = max(longest, len(body))
            last += body[5] >> 1
        assert longest <= (theirs or MAX_OURS)


@pytest.mark.parametrize("ours", [0, 64, 16384])
async def test_what_the_peer_sends_fits_the_length_that_we_take(ours: int) -> None:
    keeping = Keeping()
    async with serving(keeping=keeping, max_pdu=ours) as served, raw(served.port) as peer:
        accept = await peer.associate()
        assert accept.negotiation.max_pdu == ours
        size = (ours or 3_000_000) - 6
        await peer.send(message(3, store_command(), bytes(100_000), size=size))
        assert (await peer.message())[0].status == 0
        assert keeping.taken == [("1.2.3.4", 100_000)]
        if ours:
            await peer.send(struct.pack(">BxI", 4, ours + 1))
            assert await peer.aborted() == (2, 6)


async def test_each_context_keeps_its_own_syntax() -> None:
    contexts = (
        Proposed(1, CT, (JPEG,)),
        Proposed(3, CT, (IMPLICIT_LE,)),
        Proposed(5, MR, (JPEG_LS,)),
    )
    async with serving() as served, raw(served.port) as peer:
        accept = await peer.associate(contexts=contexts)
        assert [each.transfer_syntax for each in accept.contexts] == [JPEG, IMPLICIT_LE, JPEG_LS]
        await peer.send(store())
        assert (await peer.message())[0].status == 0


async def test_a_message_of_another_class_than_its_context_is_refused_with_its_status() -> None:
    async with serving() as served, raw(served.port) as peer:
        await peer.associate()
        odd = Command(
            command_field=Service.C_STORE,
            message_id=1,
            data_set_type=1,
            affected_sop_class_uid=MR,
            affected_sop_instance_uid="1.2",
        )
        await peer.send(message(3, odd, bytes(50_000)))
        assert (await peer.message())[0].status == 0xA900
        await peer.send(message(1, store_command(), b"x"))
        assert (await peer.message())[0].status == 0xA900
        assert await peer.echo() == 0


async def test_relational_queries_are_answered_when_they_were_agreed_on() -> None:
    series = b"\x08\0\x52\0CS\x06\0SERIES" + b"\x20\0\x0e\0UI\0\0"
    for flags, status in ((b"\1", 0xFF00), (b"\0", 0xA900), (None, 0xA900)):
        extended = {} if flags is None else {STUDY_ROOT_FIND: flags}
        finds = Answering(count=1)
        async with serving(finds=finds) as served, raw(served.port) as peer:
            await peer.associate(negotiation=Negotiation(extended=extended))
            await peer.send(find(data=series))
            assert (await peer.message())[0].status == status
            assert len(finds.queries) == (status == 0xFF00)


@pytest.mark.parametrize("fuzzy", [0, 1])
async def test_fuzzy_matching_is_asked_for_when_it_was_agreed_on(fuzzy: int) -> None:
    finds = Answering(count=0)
    async with serving(finds=finds) as served, raw(served.port) as peer:
        extended = {STUDY_ROOT_FIND: bytes((0, 0, fuzzy))}
        accept = await peer.associate(negotiation=Negotiation(extended=extended))
        assert accept.negotiation.extended == extended
        await peer.send(find())
        assert (await peer.message())[0].status == 0
        assert finds.queries[0].fuzzy == bool(fuzzy)
