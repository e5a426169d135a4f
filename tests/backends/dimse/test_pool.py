import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from tests import peers
from tests.backends.dimse.conftest import Held
from tests.liar import HOST, Liar, Said, answer, lying

from hilum.backends.dimse import pool as module
from hilum.backends.dimse.echo import CONTEXT as ECHO
from hilum.backends.dimse.echo import echo
from hilum.backends.dimse.find import Answers, find
from hilum.backends.dimse.pool import CONTEXTS, Pool
from hilum.backends.dimse.remote import forwarded
from hilum.codec import pdu, question
from hilum.codec.associate import Answered
from hilum.codec.dimse import Service
from hilum.codec.sop_class import EXPLICIT_LE
from hilum.config.mounts import Pool as Settings
from hilum.core.caller import acting_for
from hilum.model.errors import (
    BackendError,
    BackendFault,
    BackendTimeout,
    BackendUnavailable,
    HilumError,
    NotOffered,
    OutOfResources,
    Unauthenticated,
)
from hilum.model.identity import Level
from hilum.model.principal import Principal, Proof
from hilum.model.query import Path as Key
from hilum.upper_layer.association import Association
from hilum.upper_layer.requestor import Remote
from hilum.upper_layer.standing import Timeouts

pytestmark = pytest.mark.anyio
ANY: dict[Key, str] = {(0x0020000D,): "", (0x00100010,): ""}
MATCH = question.encode(Level.STUDY, {(0x0020000D,): "1.2.3", (0x00100010,): "A"}, EXPLICIT_LE)


def to(port: int, *, silence: float = 5.0, acse: float = 5.0) -> Remote:
    return Remote(
        host=HOST, port=port, calling="A", called="PACS",
        timeouts=Timeouts(acse=acse, message=silence), connect_timeout=acse,
    )  # fmt: skip


def pool(port: int, **settings: float) -> Pool:
    return Pool(to(port), Settings(**{"size": 2, "timeout": 0.3, "idle": 30.0, **settings}))


def sockets(port: int) -> int:
    """Sockets of this process that are connected to `port`: our ends, not those of the liar."""
    if not Path("/proc/self/net/tcp").exists():
        pytest.skip("sockets are counted on Linux only")
    mine = {str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()}
    lines = Path("/proc/self/net/tcp").read_text().splitlines()[1:]
    ends = (line.split() for line in lines)
    return sum(
        int(parts[2].split(":")[1], 16) == port and f"socket:[{parts[9]}]" in mine for parts in ends
    )


def tasks() -> list[str]:
    """Tasks that pools started."""
    names = (getattr(each.get_coro(), "__qualname__", "") for each in asyncio.all_tasks())
    return [name for name in names if name.startswith("Pool.")]


def nothing_is_left(of: Pool, port: int) -> None:
    assert (of.in_use, of.idle) == (0, 0)
    assert sockets(port) == 0
    assert tasks() == []


@dataclass(slots=True)
class Obliging:
    """A peer that answers everything.

    Attributes:
        calls: associations that it has taken.
        at_once, most: those open now, and the most that were.
        fields: Command Field of each request.
        last: how each association ended.
    """

    calls: int = 0
    at_once: int = 0
    most: int = 0
    fields: list[int] = field(default_factory=list)
    last: list[pdu.Event | None] = field(default_factory=list)

    async def __call__(self, one: Liar) -> None:
        try:
            await one.accept()
        except AssertionError:  # it went before it asked
            return
        self.calls += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            while (said := await one.message()) is not None:
                self.fields.append(said.command.command_field)
                if said.command.command_field == Service.C_FIND:
                    one.say(answer(said, 0xFF00, with_data=True), MATCH, context_id=said.context_id)
                one.say(answer(said, 0), context_id=said.context_id)
        finally:
            self.at_once -= 1


async def found(association: Association) -> int:
    async with find(association, Level.STUDY, ANY) as answers:
        return len([each async for each in answers])


async def test_an_association_is_used_again() -> None:
    peer = Obliging()
    async with lying(peer) as port, pool(port) as one:
        async with one.lease() as first:
            assert await found(first) == 1
            assert (one.in_use, one.idle) == (1, 0)
        assert (one.in_use, one.idle) == (0, 1)
        async with one.lease() as second:
            assert await found(second) == 1
        assert second is first
    assert peer.calls == 1
    nothing_is_left(one, port)


async def test_queries_and_moves_of_both_roots_are_proposed_and_relational_ones() -> None:
    asked: list[object] = []

    async def script(one: Liar) -> None:
        says = await one.accept()
        asked.append([each.abstract_syntax for each in says.contexts])
        asked.append(sorted(says.negotiation.extended.items()))
        await one.message()

    for relational in (True, False):
        async with (
            lying(script) as port,
            Pool(to(port), Settings(), relational=relational) as one,
            one.lease(),
        ):
            pass
    wanted = [uid for uid, _ in CONTEXTS]
    root = "1.2.840.10008.5.1.4.1.2."
    assert wanted[0] == "1.2.840.10008.1.1"
    assert sorted(wanted[1:]) == [root + each for each in ("1.1", "1.2", "2.1", "2.2")]
    assert asked == [wanted, [(root + "1.1", b"\1"), (root + "2.1", b"\1")], wanted, []]


async def test_there_are_never_more_than_its_size_and_all_get_their_turn_in_order() -> None:
    peer = Obliging()
    order: list[int] = []

    async def ask(of: Pool, number: int) -> None:
        if number % 3:
            async with of.lease() as association:
                order.append(number)
                await found(association)
        else:
            async with of.opened([ECHO]) as association:
                order.append(number)
                await echo(association)

    async with lying(peer) as port, pool(port, size=3, timeout=20) as one:
        async with asyncio.TaskGroup() as group:
            for number in range(30):
                group.create_task(ask(one, number))
        assert one.in_use == 0
        assert one.idle <= 3
    assert peer.most <= 3
    # the slot is given in order; an association that has to be opened first begins a bit later
    assert all(abs(at - number) <= 4 for at, number in enumerate(order))
    nothing_is_left(one, port)


async def test_who_waits_for_too_long_is_told() -> None:
    async with lying(Obliging()) as port, pool(port) as one:
        async with one.lease(), one.opened([ECHO]):
            with pytest.raises(OutOfResources, match="all 2 associations with PACS are in use"):
                async with one.lease():
                    pytest.fail("there was no slot")
            assert one.in_use == 2
        assert one.in_use == 0
        async with one.lease():
            pass
    nothing_is_left(one, port)


async def rejects(one: Liar) -> None:
    await one.requested()
    one.raw(pdu.encode(pdu.Rejected(1, 1, 7)))
    await one.event()


async def aborts(one: Liar) -> None:
    await one.requested()
    one.raw(pdu.encode(pdu.Aborted(0, 0)))


async def refuses(one: Liar) -> None:
    await one.accept(answers=[Answered(2 * at + 1, 3, "") for at in range(len(CONTEXTS))])
    await one.last_word()


async def stalls(one: Liar) -> None:
    await one.requested()
    await one.event()


async def babbles(one: Liar) -> None:
    await one.requested()
    one.raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await one.event()


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (rejects, BackendUnavailable),
        (aborts, BackendUnavailable),
        (refuses, NotOffered),
        (stalls, BackendTimeout),
        (babbles, BackendFault),
    ],
)
async def test_an_association_that_does_not_come_holds_no_slot(
    script: Callable[[Liar], Awaitable[None]], kind: type[HilumError]
) -> None:
    async with lying(script) as port, Pool(to(port, acse=0.4), Settings(size=1)) as one:
        for _ in range(3):
            with pytest.raises(kind):
                async with one.lease():
                    pytest.fail("there is none")
            nothing_is_left(one, port)
            if script is not refuses:
                with pytest.raises(kind):
                    async with one.opened([ECHO]):
                        pytest.fail("there is none")
            nothing_is_left(one, port)


async def test_a_peer_that_nobody_answers_for_holds_no_slot() -> None:
    async with pool(peers.free_port(), size=1) as one:
        for _ in range(3):
            with pytest.raises(BackendUnavailable):
                async with one.lease():
                    pytest.fail("there is none")
            assert one.in_use == 0


async def test_who_is_cancelled_in_the_middle_of_connecting_leaves_nothing() -> None:
    async with lying(stalls) as port, pool(port, size=1) as one:
        for opening in (one.lease(), one.opened([ECHO]), one.lease()):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1), opening:
                    pytest.fail("nobody answers")
            nothing_is_left(one, port)


async def test_who_is_cancelled_while_waiting_for_a_slot_leaves_nothing() -> None:
    async with lying(Obliging()) as port, pool(port, size=1, timeout=20) as one:
        async with one.lease():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1), one.lease():
                    pytest.fail("there is no slot")
        async with one.lease() as association:
            await echo(association)


async def unfinished(one: Liar) -> None:
    """Answer a C-FIND with a match, and no more."""
    await one.accept()
    said = await one.message()
    if said is not None:
        one.say(answer(said, 0xFF00, with_data=True), MATCH, context_id=said.context_id)
        await one.last_word()


@asynccontextmanager
async def begun(of: Pool) -> AsyncIterator[Answers]:
    async with of.lease() as association, find(association, Level.STUDY, ANY) as answers:
        await anext(answers)
        yield answers


async def test_a_request_that_is_cancelled_in_the_middle_leaves_nothing() -> None:
    async with lying(unfinished) as port, pool(port, size=1) as one:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1), begun(one) as answers:
                    await anext(answers)
            nothing_is_left(one, port)


async def test_a_request_that_a_cancel_scope_ends_leaves_nothing() -> None:
    async with lying(unfinished) as port, pool(port, size=1) as one:
        for _ in range(3):
            with anyio.move_on_after(0.1):
                async with begun(one) as answers:
                    await anext(answers)
            nothing_is_left(one, port)
            with anyio.move_on_after(0.1):
                async with one.opened([ECHO]):
                    await anyio.sleep(5)
            nothing_is_left(one, port)


async def test_a_peer_that_stalls_in_the_middle_leaves_nothing() -> None:
    async with lying(unfinished) as port, pool(port, size=1) as one:
        with pytest.raises(BackendTimeout):
            async with one.lease(0.2) as association:
                await found(association)
        nothing_is_left(one, port)


async def test_a_peer_that_aborts_in_the_middle_leaves_nothing() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        await one.message()
        one.raw(pdu.encode(pdu.Aborted(0, 0)))

    async with lying(script) as port, pool(port, size=1) as one:
        with pytest.raises(BackendError):
            async with one.lease() as association:
                await found(association)
        nothing_is_left(one, port)


async def test_what_a_block_raises_comes_out_and_its_association_is_gone() -> None:
    async with lying(Obliging()) as port, pool(port, size=1) as one:
        for opening in (one.lease(), one.opened([ECHO])):
            with pytest.raises(KeyError):
                async with opening:
                    raise KeyError
            nothing_is_left(one, port)


async def used_and_failing(one: Pool) -> None:
    async with one:
        async with one.lease():
            pass
        assert one.idle == 1
        raise ZeroDivisionError


async def test_what_the_pools_own_block_raises_comes_out_and_nothing_is_left() -> None:
    async with lying(Obliging()) as port:
        one = pool(port)
        with pytest.raises(ZeroDivisionError):
            await used_and_failing(one)
        nothing_is_left(one, port)


async def test_an_answer_that_is_a_failure_does_not_cost_the_association() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        while (said := await one.message()) is not None:
            one.say(answer(said, 0xA700), context_id=said.context_id)

    async with lying(script) as port, pool(port, size=1) as one:
        with pytest.raises(OutOfResources):
            async with one.lease() as association:
                await found(association)
        assert (one.in_use, one.idle) == (0, 1)


async def test_what_nobody_uses_is_released() -> None:
    ends: list[pdu.Event | None] = []

    async def script(one: Liar) -> None:
        await one.accept()
        ends.append(await one.event())
        one.raw(pdu.encode(pdu.ReleaseAnswered()))

    async with lying(script) as port, pool(port, idle=0.2) as one:
        async with one.lease():
            pass
        assert one.idle == 1
        await asyncio.sleep(0.5)
        nothing_is_left(one, port)
    assert isinstance(ends[0], pdu.ReleaseRequested)


async def test_a_peer_that_does_not_answer_a_release_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_GOODBYE", 0.2)

    async def script(one: Liar) -> None:
        await one.accept()
        while await one.event() is not None:
            pass

    async with lying(script) as port, pool(port, size=1) as one:
        async with one.opened([ECHO]):
            pass
        nothing_is_left(one, port)
        async with one.lease():
            pass
    nothing_is_left(one, port)


@pytest.mark.parametrize("end", [pdu.ReleaseRequested(), pdu.Aborted(0, 0), None])
async def test_an_idle_association_that_the_peer_ends_is_forgotten(end: pdu.Event | None) -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        await asyncio.sleep(0.1)
        if end is not None:
            one.raw(pdu.encode(end))

    async with lying(script) as port, pool(port) as one:
        async with one.lease():
            pass
        assert one.idle == 1
        await asyncio.sleep(0.4)
        nothing_is_left(one, port)
        async with one.lease():
            pass


async def test_what_was_idle_for_long_is_asked_whether_it_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peer = Obliging()
    async with lying(peer) as port, pool(port) as one:
        async with one.lease():
            pass
        async with one.lease():
            pass
        assert peer.fields == []
        monkeypatch.setattr(module, "_DOUBT", 0.0)
        async with one.lease() as association:
            assert await found(association) == 1
    assert peer.fields == [Service.C_ECHO, Service.C_FIND]
    assert peer.calls == 1


async def test_what_does_not_say_that_it_lives_is_replaced_and_all_that_are_older(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_DOUBT", 0.0)
    monkeypatch.setattr(module, "_ECHO", 0.2)
    calls: list[Said | None] = []

    async def script(one: Liar) -> None:
        await one.accept()
        is_dead = len(calls) < 2
        calls.append(None)
        said = await one.message()
        if not is_dead and said is not None:
            one.say(answer(said, 0), context_id=said.context_id)
        await one.last_word()

    async with lying(script) as port, pool(port) as one:
        async with one.lease(), one.lease():
            pass
        assert one.idle == 2
        async with one.lease() as association:
            assert await found(association) == 0
            assert one.in_use == 1
        assert (one.in_use, one.idle) == (0, 1)
        assert sockets(port) == 1
    assert len(calls) == 3


async def test_a_peer_without_verification_is_called_again_rather_than_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_DOUBT", 0.0)
    calls: list[int] = []

    async def script(one: Liar) -> None:
        refused = Answered(1, 3, "")
        rest = [Answered(2 * at + 1, 0, EXPLICIT_LE) for at in range(1, len(CONTEXTS))]
        await one.accept(answers=[refused, *rest])
        calls.append(1)
        while (said := await one.message()) is not None:
            assert said.command.command_field == Service.C_FIND
            one.say(answer(said, 0), context_id=said.context_id)

    async with lying(script) as port, pool(port, size=1) as one:
        for _ in range(3):
            async with one.lease() as association:
                assert await found(association) == 0
        assert (one.in_use, one.idle) == (0, 1)
    assert len(calls) == 3


async def test_an_idle_association_makes_room_for_one_of_its_own() -> None:
    peer = Obliging()
    async with lying(peer) as port, pool(port, size=2) as one:
        async with one.lease(), one.lease():
            pass
        assert one.idle == 2
        async with one.opened([ECHO]) as association:
            await echo(association)
            assert (one.in_use, one.idle) == (1, 1)
            async with one.opened([ECHO]):
                assert (one.in_use, one.idle) == (2, 0)
    assert (peer.most, peer.calls) == (2, 4)
    nothing_is_left(one, port)


@asynccontextmanager
async def counted(association: Association) -> AsyncIterator[int]:
    yield await found(association)


async def test_what_the_peer_drops_as_we_ask_is_asked_once_more() -> None:
    calls: list[int] = []

    async def script(one: Liar) -> None:
        await one.accept()
        calls.append(1)
        said = await one.message()
        if said is None:
            return
        if len(calls) == 1:  # the first association answers once, and goes when it is used again
            one.say(answer(said, 0), context_id=said.context_id)
            await one.message()
            one.raw(pdu.encode(pdu.Aborted(0, 0)))
            return
        one.say(answer(said, 0xFF00, with_data=True), MATCH, context_id=said.context_id)
        one.say(answer(said, 0), context_id=said.context_id)
        await one.message()

    async with lying(script) as port, pool(port, size=1) as one:
        async with one.begun(counted) as number:
            assert number == 0
        async with one.begun(counted) as number:
            assert number == 1
            assert one.in_use == 1
        assert (one.in_use, one.idle) == (0, 1)
    assert len(calls) == 2


async def test_what_is_lost_on_a_new_association_is_not_asked_again() -> None:
    calls: list[int] = []

    async def script(one: Liar) -> None:
        await one.accept()
        calls.append(1)
        await one.message()
        one.raw(pdu.encode(pdu.Aborted(0, 0)))

    async with lying(script) as port, pool(port, size=1) as one:
        with pytest.raises(BackendUnavailable):
            async with one.begun(counted):
                pytest.fail("it was lost")
        nothing_is_left(one, port)
    assert calls == [1]


async def test_a_real_peer_keeps_what_the_pool_keeps(held: Held) -> None:
    async with Pool(held.remote, Settings(size=2)) as one:
        for _ in range(5):
            async with one.lease() as association:
                assert await found(association) == 1
                await echo(association)
        assert (one.in_use, one.idle) == (0, 1)
        assert sockets(held.remote.port) == 1
        async with asyncio.TaskGroup() as group:
            for _ in range(6):
                group.create_task(leased(one))
        assert (one.in_use, one.idle) == (0, 2)
    nothing_is_left(one, held.remote.port)


async def leased(of: Pool) -> None:
    async with of.lease() as association:
        assert await found(association) == 1


ANNA = Principal("anna", Proof.TOKEN, token="a.a.a")  # noqa: S106 - no secret
BOB = Principal("bob", Proof.TOKEN, token="b.b.b")  # noqa: S106 - no secret


@dataclass(slots=True)
class Asking(Obliging):
    """One that remembers as whom each association was opened, and what was asked on it."""

    tokens: list[bytes] = field(default_factory=list)
    asked: list[tuple[bytes, int]] = field(default_factory=list)

    async def __call__(self, one: Liar) -> None:
        identity = (await one.accept()).negotiation.identity
        assert identity is not None
        assert identity.type == 5
        self.tokens.append(identity.primary)
        while (said := await one.message()) is not None:
            self.asked.append((identity.primary, said.command.command_field))
            one.say(answer(said, 0), context_id=said.context_id)


async def test_an_association_of_one_token_never_carries_the_request_of_another() -> None:
    peer = Asking()
    settings = Settings(size=2, timeout=5.0, idle=30.0)
    async with lying(peer) as port, Pool(to(port), settings, identity=forwarded) as one:

        async def asks(who: Principal) -> None:
            with acting_for(who):
                async with one.lease() as association:
                    await echo(association)
                async with one.begun(_echoing) as association:
                    assert association.lost is None
                async with one.opened([ECHO]) as association:
                    await echo(association)

        for who in (ANNA, BOB, ANNA, ANNA, BOB):
            before = len(peer.asked)
            await asks(who)
            assert {token for token, _ in peer.asked[before:]} == {(who.token or "").encode()}
        async with asyncio.TaskGroup() as group:
            for who in (ANNA, BOB) * 10:
                group.create_task(asks(who))
        assert one.idle <= 2  # of all callers together
        for who in (Principal(), Principal("ct", Proof.AE_TITLE, "CT")):
            with acting_for(who), pytest.raises(Unauthenticated):
                async with one.lease():
                    pass
    assert set(peer.tokens) == {b"a.a.a", b"b.b.b"}
    nothing_is_left(one, port)


@asynccontextmanager
async def _echoing(association: Association) -> AsyncIterator[Association]:
    await echo(association)
    yield association


async def test_who_asks_again_with_the_same_token_finds_his_association() -> None:
    peer = Asking()
    settings = Settings(size=4, timeout=5.0, idle=30.0)
    async with lying(peer) as port, Pool(to(port), settings, identity=forwarded) as one:
        for who in (ANNA, BOB) * 3:
            with acting_for(who):
                async with one.lease() as association:
                    await echo(association)
    assert sorted(peer.tokens) == [b"a.a.a", b"b.b.b"]
