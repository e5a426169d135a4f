import os
import socket

import pytest

from hilum.config.mounts import ArchiveMount, DimseMount
from hilum.config.schema import Settings
from hilum.net.crowd import Crowd, size
from hilum.net.homes import Homes
from hilum.net.letters import Letters
from hilum.net.worker import Worker

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name == "nt", reason="there is one process there"),
]


async def test_it_knows_what_is_its_own() -> None:
    pacs = DimseMount(backend="dimse", aet="FAR", host="10.0.0.1", port=104)
    homes = Homes(Settings(mounts={"ARCHIVE": ArchiveMount(default=True), "PACS": pacs}), 2)
    box, to = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    memory = bytearray(size(2))
    both = [
        Worker(
            number=number,
            workers=2,
            homes=homes,
            doors={},
            letters=Letters(box, [to, to]),
            crowd=Crowd(memory, number, 2),
        )
        for number in range(2)
    ]
    box.close()
    to.close()
    home = homes.of("PACS")
    assert [each.mark for each in both] == ["-0", "-1"]
    assert [each.serves("ARCHIVE") for each in both] == [True, True]
    assert [each.serves("PACS") for each in both] == [number == home for number in range(2)]
    assert [each.is_home_of("ARCHIVE") for each in both].count(True) == 1
    for each in both:
        assert await each.whose("PACS", "X", "10.0.0.9") == home
        assert await each.whose("HILUM", "X", "10.0.0.9") is None
    both[home].crowd.retrieves(1)
    assert await both[1 - home].whose("HILUM", "X", "10.0.0.9") == home
