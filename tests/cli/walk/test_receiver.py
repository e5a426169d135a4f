import asyncio
from collections.abc import AsyncIterator

import pytest
from tests import peers

from hilum.backends.dimse.remote import remote
from hilum.backends.dimse.store import PeerStores
from hilum.cli.walk.receiver import receiver
from hilum.cli.walk.study import study
from hilum.codec.sop_class import EXPLICIT_LE
from hilum.config.schema import Peer
from hilum.model.instance import Instance

pytestmark = pytest.mark.anyio
SLICE = study("RECEIVER").slices[0]


def peer(port: int, aet: str = "VIEWER", host: str = peers.HOST) -> Peer:
    return Peer(aet=aet, host=host, port=port)


async def test_what_is_sent_to_the_peer_that_is_played_is_kept() -> None:
    viewer = peer(peers.free_port())
    before = asyncio.all_tasks()
    async with receiver([viewer]) as played:
        assert played is not None
        async with PeerStores(remote(viewer, "US")).open() as session:
            one = Instance(
                SLICE.sop_instance_uid, SLICE.sop_class_uid, EXPLICIT_LE, _once(SLICE.encoded)
            )
            assert (await session.store(one)).failure is None
    aet, basket = played
    assert aet == "VIEWER"
    assert basket.got == {SLICE.sop_instance_uid: SLICE.encoded}
    assert not peers.listens(viewer.port)
    assert asyncio.all_tasks() == before


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_the_first_peer_whose_place_is_free_is_played() -> None:
    busy = await asyncio.start_server(lambda _r, w: w.close(), peers.HOST, 0)
    taken = peer(busy.sockets[0].getsockname()[1], "BUSY")
    elsewhere = peer(104, "ELSEWHERE", "192.0.2.1")  # RFC 5737: nobody's
    free = peer(peers.free_port(), "FREE")
    try:
        async with receiver([taken, elsewhere, free]) as played:
            assert played is not None
            assert played[0] == "FREE"
        async with receiver([taken, elsewhere]) as played:
            assert played is None
    finally:
        busy.close()
        await busy.wait_closed()


async def test_what_fails_inside_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with receiver([peer(peers.free_port())]):
            raise ZeroDivisionError
