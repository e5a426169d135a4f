import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import peers
from tests.backends.dimse.conftest import Held, once
from tests.backends.dimse.test_asks import at, found, mount
from tests.backends.dimse.test_pool import Obliging, nothing_is_left
from tests.liar import Liar, Said, answer, lying

from hilum.backends.dimse.pacs import Pacs, open_pacs
from hilum.cli.walk.study import study
from hilum.codec import pdu
from hilum.codec.dimse import Service
from hilum.codec.sop_class import EXPLICIT_LE
from hilum.config.mounts import DimseMount
from hilum.config.mounts import Pool as Settings
from hilum.core.backend import Asks, Echoes, Retrieves, Sends, Stores
from hilum.core.operations import Originator
from hilum.model.errors import BackendError, BackendFault, BackendTimeout, OutOfResources
from hilum.model.identity import Level, Ref
from hilum.model.instance import Instance
from hilum.model.query import Query
from hilum.net.inbox import Inbox

pytestmark = pytest.mark.anyio
SLICES = study("PACS_STORES").slices
NEED = (SLICES[0].sop_class_uid, EXPLICIT_LE)
NAME = (0x00100010,)
ONE = Settings(size=1, timeout=0.3)

if TYPE_CHECKING:

    def offers(pacs: Pacs) -> tuple[Echoes, Asks, Retrieves, Stores, Sends]:
        """All of them, as mypy sees it."""
        return pacs, pacs, pacs, pacs, pacs


def instance(number: int = 0) -> Instance:
    one = SLICES[number]
    return Instance(one.sop_instance_uid, one.sop_class_uid, EXPLICIT_LE, once(one.encoded))


@asynccontextmanager
async def opened(settings: DimseMount) -> AsyncIterator[Pacs]:
    async with open_pacs(settings, "HILUM_TEST", Inbox("HILUM_TEST")) as pacs:
        yield pacs


async def test_a_real_peer_lives_and_is_asked_and_gives(held: Held) -> None:
    async with opened(at(held, retrieve="get")) as pacs:
        await pacs.echo()
        assert (await pacs.abilities()).levels >= {Level.STUDY}
        assert pacs.told(Query(Level.STUDY))
        [match] = await found(pacs, Query(Level.STUDY, {NAME: "Demonstration^Scu"}))
        assert match["0020000D"]["Value"] == [held.study.uid]
        got = []
        async with pacs.retrieve([Ref(study=held.study.uid)]) as retrieval:
            async for each in retrieval.instances:
                got.append(each.sop_instance_uid)
                async for _ in each.chunks:
                    pass
        assert sorted(got) == sorted(each.sop_instance_uid for each in held.study.slices)
        assert pacs.pool.in_use == 0
    nothing_is_left(pacs.pool, held.remote.port)


async def test_a_real_peer_keeps_what_is_stored(tmp_path: Path) -> None:
    with peers.orthanc(tmp_path / "orthanc") as peer:
        async with opened(mount(peer.port, aet=peer.aet)) as pacs:
            async with pacs.open([NEED]) as session:
                for number in range(3):
                    assert (await session.store(instance(number))).failure is None
                assert pacs.pool.in_use == 1
            assert pacs.pool.in_use == 0
            assert len(await found(pacs, Query(Level.STUDY))) == 1
        assert peer.counts() == (1, 3)
        nothing_is_left(pacs.pool, peer.port)


async def test_nobody_is_called_before_something_is_asked() -> None:
    async with opened(mount(peers.free_port())) as pacs:
        assert (pacs.pool.in_use, pacs.pool.idle) == (0, 0)
        with pytest.raises(BackendError):
            await pacs.echo()
        assert pacs.pool.in_use == 0


async def test_it_calls_by_the_title_that_the_mount_names() -> None:
    calling: list[str] = []

    async def script(one: Liar) -> None:
        says = await one.accept()
        calling.append(says.calling_ae_title)
        said = await one.message()
        assert said is not None
        one.say(answer(said, 0), context_id=said.context_id)
        await one.message()

    async with lying(script) as port:
        for settings in (mount(port), mount(port, calling="OTHER")):
            async with opened(settings) as pacs:
                await pacs.echo()
    assert calling == ["HILUM_TEST", "OTHER"]


async def test_an_echo_that_fails_says_why() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        one.say(answer(said, 0x0110), context_id=said.context_id)
        await one.message()

    async with lying(script) as port, opened(mount(port)) as pacs:
        with pytest.raises(BackendFault, match="C-ECHO with 0110H"):
            await pacs.echo()
        assert pacs.pool.in_use == 0


async def test_a_peer_that_does_not_answer_an_echo_is_not_waited_for() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        await one.last_word()

    async with lying(script) as port, opened(mount(port, query_timeout=0.3)) as pacs:
        with pytest.raises(BackendTimeout):
            await pacs.echo()
        nothing_is_left(pacs.pool, port)


async def test_an_echo_does_not_fail_for_an_idle_association_that_was_dropped() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        one.say(answer(said, 0), context_id=said.context_id)
        if await one.message() is not None:
            one.raw(pdu.encode(pdu.Aborted(0, 0)))

    async with lying(script) as port, opened(mount(port)) as pacs:
        for _ in range(3):
            await pacs.echo()


async def test_a_session_to_store_takes_a_slot_and_gives_it_back() -> None:
    async with lying(Obliging()) as port, opened(mount(port, pool=ONE)) as pacs:
        async with pacs.open([NEED]) as session:
            assert (await session.store(instance())).failure is None
            assert pacs.pool.in_use == 1
            with pytest.raises(OutOfResources, match="all 1 associations with PACS"):
                async with pacs.open([NEED]):
                    pytest.fail("there is no slot")
            with pytest.raises(OutOfResources):
                await found(pacs, Query(Level.STUDY))
        nothing_is_left(pacs.pool, port)
        async with pacs.open([NEED]) as session:
            assert (await session.store(instance())).failure is None
        nothing_is_left(pacs.pool, port)


async def test_who_moved_an_instance_here_is_passed_on() -> None:
    stored: list[Said] = []

    async def script(one: Liar) -> None:
        await one.accept()
        said = await one.message()
        assert said is not None
        stored.append(said)
        one.say(answer(said, 0), context_id=said.context_id)
        await one.message()

    async with (
        lying(script) as port,
        opened(mount(port)) as pacs,
        pacs.open([NEED], Originator("MOVER", 7)) as session,
    ):
        assert (await session.store(instance())).failure is None
    command = stored[0].command
    assert (command.move_originator_ae_title, command.move_originator_message_id) == ("MOVER", 7)


async def test_a_peer_that_does_not_answer_a_store_is_given_up_after_its_own_time() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        await one.last_word()

    settings = {"store_timeout": 0.3, "query_timeout": 60.0, "retrieve_timeout": 60.0}
    async with lying(script) as port, opened(mount(port, **settings)) as pacs:
        async with asyncio.timeout(20), pacs.open([NEED]) as session:
            assert isinstance((await session.store(instance())).failure, BackendTimeout)
        nothing_is_left(pacs.pool, port)


async def echoes(pacs: Pacs) -> None:
    await pacs.echo()


async def asks(pacs: Pacs) -> None:
    await found(pacs, Query(Level.STUDY))


async def stores(pacs: Pacs) -> None:
    async with pacs.open([NEED]) as session:
        assert (await session.store(instance())).failure is None


@pytest.mark.parametrize("what", [echoes, asks, stores])
async def test_what_is_cut_off_anywhere_leaves_nothing(what: Callable[[Pacs], object]) -> None:
    """Cut off after 0, 1, 2 … steps of the loop: while connecting, asking, answering, leaving."""
    peer = Obliging()

    async def cut_after(steps: int, pacs: Pacs) -> None:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(what(pacs))  # type: ignore[arg-type]  # all are coroutines
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()

    async with lying(peer) as port, opened(mount(port, pool=ONE)) as pacs:
        for steps in range(60):
            await cut_after(steps, pacs)
            assert pacs.pool.in_use == 0
        await what(pacs)  # type: ignore[misc]  # likewise
        assert pacs.pool.in_use == 0
        assert pacs.pool.idle <= 1
    nothing_is_left(pacs.pool, port)
    assert Service.C_ECHO in peer.fields or what is not echoes
