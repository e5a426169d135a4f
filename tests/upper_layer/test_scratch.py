"""Memory that what comes is put into."""

import asyncio
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

from tests.upper_layer.ends import QUICK

from hilum.upper_layer.association import Association
from hilum.upper_layer.scratch import READ, scratch_of


async def _link() -> Association:
    return Association(requestor=False, max_pdu=65536, timeouts=QUICK)


def test_all_links_of_a_loop_share_one() -> None:
    with asyncio.Runner() as runner:
        first, second = runner.run(_link()), runner.run(_link())
        assert len(first.get_buffer(1)) == READ
        first.get_buffer(1)[:3] = b"abc"
        assert second.get_buffer(1)[:3] == b"abc"


def test_loops_of_two_threads_do_not_read_into_each_others() -> None:
    with asyncio.Runner() as runner, ThreadPoolExecutor(1) as thread:
        ours, theirs = runner.run(_link()), thread.submit(asyncio.run, _link()).result()
        ours.get_buffer(1)[:3] = b"abc"
        theirs.get_buffer(1)[:3] = b"xyz"
        assert ours.get_buffer(1)[:3] == b"abc"


def test_that_of_a_loop_that_is_gone_is_gone() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    left = weakref.ref(scratch_of(loop))
    del loop
    gc.collect()
    assert left() is None
