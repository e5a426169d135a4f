"""Who comes in only to bring what a C-MOVE of ours waits for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests import peers
from tests.backends.dimse.conftest import once
from tests.backends.dimse.retrieving import US, door
from tests.contract.made import CT, Made, made, uid

from hilum.backends.dimse.echo import CONTEXT as ECHO
from hilum.backends.dimse.echo import echo
from hilum.backends.dimse.find import CONTEXTS as FIND
from hilum.backends.dimse.find import find
from hilum.backends.memory import Memory
from hilum.codec import pdu
from hilum.codec.associate import (
    AssociateRequest,
    Negotiation,
    Proposed,
    UserIdentity,
    encode,
)
from hilum.codec.sop_class import EXPLICIT_LE, IMPLICIT_LE
from hilum.config.mounts import DimseMount
from hilum.core.login import Login
from hilum.core.mounts import Mount
from hilum.core.operations import Originator
from hilum.core.policy import Policy
from hilum.model.errors import Forbidden, HilumError, NotOffered, Unauthenticated
from hilum.model.identity import Level
from hilum.model.instance import Instance
from hilum.model.principal import Grant, Principal, Right
from hilum.net.arrivals import Arrivals
from hilum.net.inbox import Inbox
from hilum.upper_layer.association import Association
from hilum.upper_layer.requestor import Remote, associate
from hilum.upper_layer.standing import AssociationRejected
from hilum.upper_layer.storing import store_on

pytestmark = pytest.mark.anyio
STUDY = (0x0020000D,)
FIRST, OTHER = made(1, 1, 1), made(2, 1, 1)
J2K = "1.2.840.10008.1.2.4.90"


def pacs(**settings: object) -> DimseMount:
    return DimseMount(
        **{"backend": "dimse", "aet": "PACS", "host": "192.0.2.1", "port": 104, **settings}  # type: ignore[arg-type]
    )


@asynccontextmanager
async def calling(
    port: int, called: str = US, title: str = "PACS", syntaxes: tuple[str, ...] = (EXPLICIT_LE,)
) -> AsyncIterator[Association]:
    remote = Remote(host=peers.HOST, port=port, calling=title, called=called)
    async with associate(remote, [ECHO, *FIND, (CT, syntaxes)]) as association:
        yield association


async def stored(
    association: Association, one: Made, originator: Originator | None = None
) -> str | None:
    """Why it was not taken."""
    instance = Instance(one.sop_instance_uid, CT, EXPLICIT_LE, once(one.data))
    failure = (await store_on(association, instance, originator)).failure
    return None if failure is None else str(failure)


async def is_refused(association: Association) -> type[HilumError] | None:
    try:
        async with find(association, Level.STUDY, {STUDY: ""}) as answers:
            async for _ in answers:
                pass
    except HilumError as error:
        return type(error)
    return None


async def test_a_receiver_that_is_no_mount_answers_c_echo_and_takes_what_is_expected() -> None:
    inbox = Inbox(US)
    receiving = inbox.register(pacs(), US)
    arrivals = Arrivals()
    async with door(inbox) as port, calling(port) as association:
        await echo(association)
        assert await is_refused(association) is NotOffered
        assert "(0124)" in (await stored(association, FIRST) or "")
        waiter = receiving.expecting(arrivals, {STUDY: uid(1)}, [FIRST.sop_instance_uid])
        async with waiter as expecting:
            assert await stored(association, FIRST) is None
            # each one on an association is looked at on its own
            assert "(0124)" in (await stored(association, OTHER) or "")
            origin = Originator(US, expecting.message_id)
            assert await stored(association, made(1, 1, 2), origin) is None
        assert "(0124)" in (await stored(association, made(1, 1, 3)) or "")
        await echo(association)
    assert arrivals.whole == {FIRST.sop_instance_uid, uid(1, 1, 2)}


async def test_a_pacs_that_is_no_peer_may_do_nothing_else_at_a_mount() -> None:
    inbox = Inbox(US)
    receiving = inbox.register(pacs(), US)
    memory = Memory(US)
    mount = Mount(name=US, backend="memory", finds=memory, stores=memory)
    arrivals = Arrivals()
    async with door(inbox, mounts=[mount]) as port, calling(port) as association:
        await echo(association)
        assert await is_refused(association) is Forbidden
        keys = {STUDY: uid(1)}
        async with receiving.expecting(arrivals, keys, [FIRST.sop_instance_uid]):
            assert await stored(association, FIRST) is None
            assert "(0124)" in (await stored(association, OTHER) or "")
    assert arrivals.whole == {FIRST.sop_instance_uid}
    assert memory._kept == {}


async def test_a_mount_keeps_what_no_c_move_waits_for() -> None:
    inbox = Inbox(US)
    receiving = inbox.register(pacs(), US)
    memory = Memory(US)
    mount = Mount(name=US, backend="memory", finds=memory, stores=memory)
    arrivals = Arrivals()
    limits = {"accept_unknown_callers": True}
    async with door(inbox, mounts=[mount], **limits) as port, calling(port) as association:
        assert await is_refused(association) is None
        keys = {STUDY: uid(1)}
        async with receiving.expecting(arrivals, keys, [FIRST.sop_instance_uid]) as expecting:
            assert await stored(association, OTHER) is None
            assert await stored(association, made(1, 1, 2)) is None  # of the study, not expected
            assert await stored(association, FIRST) is None
            origin = Originator(US, expecting.message_id)
            assert await stored(association, made(1, 1, 3), origin) is None
        assert await stored(association, made(1, 1, 4)) is None
    assert arrivals.whole == {FIRST.sop_instance_uid, uid(1, 1, 3)}
    assert set(memory._kept) == {OTHER.sop_instance_uid, uid(1, 1, 2), uid(1, 1, 4)}


@pytest.mark.parametrize(
    ("called", "title", "comes_in"),
    [
        ("RECEIVER", "PACS", True),
        ("RECEIVER", "NODE", True),
        ("RECEIVER", "STRANGER", False),
        ("NOBODY", "PACS", False),
        (US, "PACS", False),
    ],
)
async def test_who_comes_in_to_a_receiver(called: str, title: str, *, comes_in: bool) -> None:
    inbox = Inbox(US)
    inbox.register(pacs(receivers=("RECEIVER",), senders=("NODE",)), US)
    async with door(inbox) as port:
        if comes_in:
            async with calling(port, called, title) as association:
                await echo(association)
            return
        with pytest.raises(AssociationRejected):
            async with calling(port, called, title):
                raise AssertionError


async def test_the_address_of_the_pacs_lets_it_in_under_any_title() -> None:
    inbox = Inbox(US)
    inbox.register(pacs(host=peers.HOST), US)
    async with door(inbox) as port, calling(port, title="ANOTHER") as association:
        await echo(association)


async def test_compressed_syntaxes_are_not_accepted_of_a_pacs_that_fails_at_them() -> None:
    for uncompressed in (False, True):
        inbox = Inbox(US)
        inbox.register(pacs(uncompressed=uncompressed), US)
        async with (
            door(inbox) as port,
            calling(port, syntaxes=(J2K, IMPLICIT_LE)) as association,
        ):
            syntax = {
                each.transfer_syntax
                for each in association.contexts.values()
                if each.abstract_syntax == CT
            }
            assert syntax == ({IMPLICIT_LE} if uncompressed else {J2K})


async def test_a_receiver_takes_classes_that_a_mount_would_not() -> None:
    inbox = Inbox(US)
    inbox.register(pacs(), US)
    only_mr = ("1.2.840.10008.5.1.4.1.1.4",)
    async with door(inbox, sop_classes=only_mr) as port, calling(port) as association:
        assert CT in {each.abstract_syntax for each in association.contexts.values()}


class Slow:
    """Verifies no token, and takes its time over it."""

    def __init__(self) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def verified(self, _token: str) -> Principal:
        self.asked.set()
        await self.go.wait()
        raise Unauthenticated("the token is not good")


@asynccontextmanager
async def rejected() -> AsyncIterator[None]:
    with pytest.raises(AssociationRejected):
        yield


async def test_where_there_are_logins_a_pacs_needs_none_to_bring_what_is_expected() -> None:
    inbox = Inbox(US)
    receiving = inbox.register(pacs(), US)
    memory = Memory(US)
    mount = Mount(name=US, backend="memory", finds=memory, stores=memory)
    arrivals = Arrivals()
    login = Login(Policy(), Slow())
    everybody = {"accept_unknown_callers": True}
    async with door(inbox, mounts=[mount], login=login, **everybody) as port:
        async with calling(port) as association:
            await echo(association)
            assert await is_refused(association) is Forbidden
            keys = {STUDY: uid(1)}
            async with receiving.expecting(arrivals, keys, [FIRST.sop_instance_uid]):
                assert await stored(association, FIRST) is None
                assert "(0124)" in (await stored(association, OTHER) or "")
        async with rejected(), calling(port, title="STRANGER"):
            pass
    assert arrivals.whole == {FIRST.sop_instance_uid}
    assert memory._kept == {}


async def test_who_waits_for_a_verdict_on_a_token_keeps_nobody_waiting() -> None:
    inbox = Inbox(US)
    mount = Mount(name=US, backend="memory", echoes=Memory(US))
    slow = Slow()
    login = Login(Policy(anonymous=Grant(frozenset((Right.ECHO,)))), slow)
    everybody = {"accept_unknown_callers": True}
    identity = UserIdentity(5, b"x")
    async with door(inbox, mounts=[mount], login=login, **everybody) as port:
        reader, writer = await asyncio.open_connection(peers.HOST, port)
        request = AssociateRequest(
            called_ae_title=US,
            calling_ae_title="ONE",
            contexts=(Proposed(1, ECHO[0], (IMPLICIT_LE,)),),
            negotiation=Negotiation(identity=identity),
        )
        writer.write(pdu.encode(encode(request)))
        await slow.asked.wait()
        async with calling(port, title="TWO") as association:
            await echo(association)
        slow.go.set()
        assert await reader.readexactly(10) == bytes((3, 0, 0, 0, 0, 4, 0, 1, 2, 1))
        writer.close()
        await writer.wait_closed()
