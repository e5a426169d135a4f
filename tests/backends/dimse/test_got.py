import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.backends.dimse.retrieving import clean, fetched, here
from tests.contract.made import CT, made, uid
from tests.liar import Liar, Said, answer, lying

from hilum.backends.dimse import got
from hilum.codec import identifier, question
from hilum.codec.dimse import A_DATA_SET, Command, Service
from hilum.codec.sop_class import EXPLICIT_LE, VERIFICATION
from hilum.model.errors import BackendFault, Incomplete, OutOfResources
from hilum.model.identity import Level, Ref

pytestmark = pytest.mark.anyio
INSTANCES = [made(1, 1, at) for at in (1, 2, 3)]
FIRST = Ref(study=uid(1), series=uid(1, 1))
Script = Callable[[Liar, Said], Awaitable[None]]


def peer(script: Script, *, lists: bool = True) -> Callable[[Liar], Awaitable[None]]:
    """One that lists three instances, and answers a C-GET as `script` says."""

    async def run(one: Liar) -> None:
        await one.accept()
        while said := await one.message():
            if said.command.command_field == Service.C_FIND:
                _listing(one, said, lists=lists)
            elif said.command.command_field == Service.C_GET:
                await script(one, said)

    return run


def _listing(one: Liar, said: Said, *, lists: bool) -> None:
    if not lists:
        one.say(answer(said, 0xA900), context_id=said.context_id)
        return
    assert identifier.parse(said.data, EXPLICIT_LE).level is Level.IMAGE
    for each in INSTANCES:
        match = {(0x00080018,): each.sop_instance_uid, (0x00080016,): CT}
        data = question.encode(Level.IMAGE, match, EXPLICIT_LE)
        one.say(answer(said, 0xFF00, with_data=True), data, context_id=said.context_id)
    one.say(answer(said, 0), context_id=said.context_id)


def store(one: Liar, at: int, **more: object) -> None:
    """Ask us to store an instance."""
    each = INSTANCES[at]
    values = {
        "command_field": Service.C_STORE,
        "message_id": 100 + at,
        "data_set_type": A_DATA_SET,
        "affected_sop_class_uid": CT,
        "affected_sop_instance_uid": each.sop_instance_uid,
        **more,
    }
    context = next(at for at, (_, kind) in one.accepted.items() if kind == CT)
    one.say(Command(**values), each.data, context_id=context)  # type: ignore[arg-type]


async def stored(one: Liar, at: int, **more: object) -> int | None:
    """Store one, and give the status that is answered."""
    store(one, at, **more)
    said = await one.message()
    assert said is not None
    assert said.command.command_field == 0x8001
    return said.command.status


@pytest.mark.parametrize("lists", [True, False])
async def test_success_is_answered_when_the_instance_was_read(
    tmp_path: Path, *, lists: bool
) -> None:
    answered: list[int | None] = []

    async def script(one: Liar, said: Said) -> None:
        for at in range(3):
            answered.append(await stored(one, at))
            one.say(
                answer(said, 0xFF00, remaining=2 - at, completed=at + 1, failed=0, warning=0),
                context_id=said.context_id,
            )
        one.say(answer(said, 0, completed=3, failed=0, warning=0), context_id=said.context_id)

    async with lying(peer(script, lists=lists)) as port, here(port, tmp_path, retrieve="get") as us:
        async with us.fetcher.retrieve([FIRST]) as retrieval:
            for at in range(3):
                instance = await anext(retrieval.instances)
                await asyncio.sleep(0.02)
                assert len(answered) == at
                assert b"".join([each async for each in instance.chunks]) == INSTANCES[at].data
            with pytest.raises(StopAsyncIteration):
                await anext(retrieval.instances)
        clean(us)
    assert answered == [0, 0, 0]


async def test_what_its_reader_leaves_is_refused(tmp_path: Path) -> None:
    answered: list[int | None] = []

    async def script(one: Liar, said: Said) -> None:
        answered.extend([await stored(one, at) for at in range(3)])
        one.say(answer(said, 0xB000, completed=2, failed=1, warning=0), context_id=said.context_id)

    async with lying(peer(script)) as port, here(port, tmp_path, retrieve="get") as us:
        async with us.fetcher.retrieve([FIRST]) as retrieval:
            async for each in retrieval.instances:
                if each.sop_instance_uid != INSTANCES[1].sop_instance_uid:
                    async for _ in each.chunks:
                        pass
        clean(us)
    assert answered == [0, 0xA700, 0]


@pytest.mark.parametrize("endless", [True, False])
async def test_a_peer_that_does_not_end_is_left_when_everything_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, endless: bool
) -> None:
    monkeypatch.setattr(got, "GRACE", 0.3)

    async def script(one: Liar, said: Said) -> None:
        for at in range(3):
            assert await stored(one, at) == 0
        while endless and not one.writer.is_closing():
            one.say(answer(said, 0xFF00, remaining=1), context_id=said.context_id)
            await one.writer.drain()
            await asyncio.sleep(0.02)
            if one.reader.at_eof() or one.reader._buffer:  # type: ignore[attr-defined]
                return
        await one.last_word()

    began = time.monotonic()
    async with lying(peer(script)) as port, here(port, tmp_path, retrieve="get") as us:
        found = await fetched(us.fetcher, FIRST)
        clean(us)
    assert found.error is None
    assert len(found.got) == 3
    assert time.monotonic() - began < 20


async def test_other_requests_and_odd_instances_are_turned_away_and_do_no_harm(
    tmp_path: Path,
) -> None:
    answered: list[int | None] = []

    async def script(one: Liar, said: Said) -> None:
        echo = Command(
            command_field=Service.C_ECHO, message_id=7, affected_sop_class_uid=VERIFICATION
        )
        one.say(echo, context_id=said.context_id)
        refused = await one.message()
        assert refused is not None
        answered.append(refused.command.status)
        answered.append(await stored(one, 0, affected_sop_class_uid="1.2.3"))
        answered.append(await stored(one, 0, affected_sop_instance_uid="no uid"))
        answered.extend([await stored(one, at) for at in (0, 1, 1, 2)])
        one.say(answer(said, 0), context_id=said.context_id)

    async with lying(peer(script)) as port, here(port, tmp_path, retrieve="get") as us:
        found = await fetched(us.fetcher, FIRST)
        clean(us)
    assert found.error is None
    assert found.got == {each.sop_instance_uid: each.data for each in INSTANCES}
    assert answered[0] == 0x0211
    assert 0 not in answered[1:3]
    assert answered[3:] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("status", "kind"), [(0xA702, OutOfResources), (0xC123, BackendFault), (0, Incomplete)]
)
async def test_how_it_failed_is_told_where_nothing_came(
    tmp_path: Path, status: int, kind: type[Exception]
) -> None:
    async def script(one: Liar, said: Said) -> None:
        one.say(answer(said, status), context_id=said.context_id)

    async with lying(peer(script)) as port, here(port, tmp_path, retrieve="get") as us:
        found = await fetched(us.fetcher, FIRST)
        clean(us)
    assert type(found.error) is kind


async def test_a_reader_that_comes_late_to_a_long_pause_finds_the_deadline(tmp_path: Path) -> None:
    async def script(one: Liar, said: Said) -> None:
        for at in range(3):
            store(one, at)
        await one.last_word()
        del said

    settings = {"retrieve": "get", "retrieve_deadline": 0.3}
    async with lying(peer(script)) as port, here(port, tmp_path, **settings) as us:
        found = await fetched(us.fetcher, FIRST, pace=0.4)
        clean(us)
    assert len(found.got) == 1
    assert isinstance(found.error, Incomplete)
    assert found.error.count == 2
