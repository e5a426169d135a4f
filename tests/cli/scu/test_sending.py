import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests import peers
from tests.liar import Liar, answer, lying

from hilum.backends.dimse.store import PeerStores
from hilum.cli.scu.sending import PATIENCE, Sending, needs
from hilum.cli.walk.study import study
from hilum.codec.sop_class import EXPLICIT_LE
from hilum.model.errors import BadDataset, HilumError
from hilum.model.instance import Instance
from hilum.upper_layer.requestor import Remote

pytestmark = pytest.mark.anyio
SLICES = study("SENDING").slices
CT = SLICES[0].sop_class_uid


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def instance(at: int = 0) -> Instance:
    one = SLICES[at]
    return Instance(one.sop_instance_uid, one.sop_class_uid, EXPLICIT_LE, once(one.encoded))


def remote(port: int) -> Remote:
    return Remote(host=peers.HOST, port=port, calling="A", called="B")


async def test_what_is_in_the_files_is_planned_for_once(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for at, one in enumerate(SLICES[:3]):
        (tmp_path / "more" / f"{at}.dcm").write_bytes(one.part10)
    (tmp_path / "bare").write_bytes(SLICES[3].encoded)
    (tmp_path / "notes.txt").write_text("no image")
    assert await needs([tmp_path], asyncio.Event()) == [(CT, EXPLICIT_LE)]


async def test_planning_stops_when_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "1.dcm").write_bytes(SLICES[0].part10)
    stop = asyncio.Event()
    stop.set()
    assert await needs([tmp_path], stop) == []


async def test_the_planned_contexts_are_proposed() -> None:
    proposed: list[tuple[str, tuple[str, ...]]] = []

    async def script(one: Liar) -> None:
        says = await one.accept()
        proposed.extend((each.abstract_syntax, each.transfer_syntaxes) for each in says.contexts)
        while said := await one.message():
            one.say(answer(said, 0))

    async with lying(script) as port:
        sending = Sending(PeerStores(remote(port)), [(CT, EXPLICIT_LE)], asyncio.Event())
        async with sending.open() as session:
            assert (await session.store(instance())).failure is None
    assert proposed[0] == (CT, (EXPLICIT_LE,))
    assert sending.gone is None


async def test_an_instance_without_uids_cannot_be_sent() -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        await one.message()

    async with lying(script) as port:
        sending = Sending(PeerStores(remote(port)), [(CT, EXPLICIT_LE)], asyncio.Event())
        async with sending.open() as session:
            with pytest.raises(BadDataset, match="no SOP"):
                await session.store(Instance("", "", EXPLICIT_LE, once(b"")))


async def test_a_peer_that_is_not_there_is_told_at_once() -> None:
    sending = Sending(PeerStores(remote(peers.free_port())), [(CT, EXPLICIT_LE)], asyncio.Event())
    with pytest.raises(HilumError, match="Connection refused"):
        async with sending.open():
            pytest.fail("nobody is there")


async def test_a_peer_that_goes_away_for_good_is_not_tried_for_ever() -> None:
    connections = 0

    async def script(one: Liar) -> None:
        nonlocal connections
        connections += 1
        await one.accept()
        await one.message()  # and closes, with no word

    async with lying(script) as port:
        sending = Sending(PeerStores(remote(port)), [(CT, EXPLICIT_LE)], asyncio.Event())
        async with sending.open() as session:
            for _ in range(PATIENCE):
                assert not sending.stop.is_set()
                assert (await session.store(instance())).failure is not None
        assert sending.stop.is_set()
        assert sending.gone is not None
    assert connections == PATIENCE
