import os
import socket
from mmap import mmap
from pathlib import Path

import pytest

from hilum.app import CannotStart
from hilum.backends.archive.index import UNSWEPT, Index
from hilum.backends.archive.keep import INDEX
from hilum.config.mounts import ArchiveMount
from hilum.config.schema import DimseSettings, HttpSettings, ServerSettings, Settings
from hilum.net import crowd
from hilum.net.crowd import Crowd
from hilum.state.database import open_database
from hilum.workers.house import open_house

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name == "nt", reason="several processes do not serve together there"),
]


def settings(folder: Path, port: int = 0) -> Settings:
    return Settings(
        server=ServerSettings(data=folder, workers=2),
        dimse=DimseSettings(port=port),
        http=HttpSettings(port=0),
        mounts={"ARCHIVE": ArchiveMount(default=True)},
    )


async def test_all_workers_inherit_the_same_doors_and_locks(tmp_path: Path) -> None:
    async with open_house(settings(tmp_path)) as house:
        one, two = house.start(0), house.start(1)
        assert one.doors == two.doors
        assert sorted(one.doors) == ["dimse", "http"]
        assert one.box != two.box
        assert one.boxes == two.boxes
        shared = set(house.files(0)) & set(house.files(1))
        assert len(shared) == 2 + 2 + 1 + 2  # doors, boxes, counts, locks of archive and state
        assert all(os.fstat(each) for each in house.files(0))


async def test_a_second_house_is_refused(tmp_path: Path) -> None:
    async with open_house(settings(tmp_path)):
        with pytest.raises(CannotStart, match=r"mounts\.ARCHIVE: .*another process uses"):
            async with open_house(settings(tmp_path)):
                pass
    async with open_house(settings(tmp_path)):
        pass


async def test_a_port_that_is_taken_is_told_and_nothing_stays_locked(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=f"dimse.port: cannot listen at .* port {port}: "):
            async with open_house(settings(tmp_path, port)):
                pass
    async with open_house(settings(tmp_path)):
        pass


async def test_nobody_else_can_listen_at_the_same_port(tmp_path: Path) -> None:
    async with open_house(settings(tmp_path)) as house:
        with socket.socket(fileno=os.dup(house.start(0).doors["http"])) as door:
            address = door.getsockname()
        with socket.socket() as foreign:
            if hasattr(socket, "SO_REUSEPORT"):
                foreign.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            foreign.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                foreign.bind(address)


async def test_what_a_dead_worker_had_is_given_back_and_remembered(tmp_path: Path) -> None:
    found = settings(tmp_path)
    async with open_house(found) as house:
        memory = house._memory
        worker = Crowd(mmap(memory, crowd.size(2)), 1, 2)
        worker.enter("10.0.0.1")
        other = Crowd(mmap(memory, crowd.size(2)), 0, 2)
        assert other.elsewhere("10.0.0.1") == (1, 1)
        await house.bury(1)
        assert other.elsewhere("10.0.0.1") == (0, 0)
    engine = open_database(found.folder("ARCHIVE") / INDEX, writes=True)
    index = Index(engine)
    assert index.recall(UNSWEPT) == "1"
    index.close()
    engine.dispose()
