"""Four hundred retrievals cut off in the middle, by the client and by the peer: nothing is left."""

import asyncio
import gc
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from tests import peers
from tests.contract import made
from tests.upper_layer import wire

from hilum.app import Listening, serve
from hilum.codec.part10 import encode_meta
from hilum.codec.sop_class import EXPLICIT_LE
from hilum.config.mounts import ArchiveMount, DicomwebMount, DimseMount, Pool
from hilum.config.peers import Peer
from hilum.config.schema import DimseSettings, HttpSettings, ServerSettings, Settings

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(600)]

INSTANCES = 12
PIXELS = 150_000  # bytes in each
CUTS = int(os.environ.get("TEST_CUTS", "100"))  # of clients, and of peers; 200 takes a minute
AT_ONCE = 4
SIZE = 4  # slots in each pool
SETTLE = 20.0  # seconds within which everything must be gone
STUDY = made.uid(1)
WADO = 'multipart/related; type="application/dicom"'
MOUNTS = ("GET", "MOVE", "WEB", "SPOOL")


class Scissors:
    """A TCP proxy that can cut the connection after some bytes of the answer."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.after: Callable[[], int | None] = lambda: None
        self.port = 0
        self.cuts = 0
        self.open = 0

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator["Scissors"]:
        server = await asyncio.start_server(self._connected, peers.HOST, port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(peers.HOST, self._to)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pump(reader, far_writer, None))
                    group.create_task(self._pump(far_reader, writer, self.after()))
            except* ConnectionError:
                self.cuts += 1
            finally:
                far_writer.transport.abort()
        finally:
            writer.transport.abort()
            self.open -= 1

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, after: int | None
    ) -> None:
        passed = 0
        while data := await reader.read(65536):
            passed += len(data)
            if after is not None and passed > after:
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[peers.Hilum, int]]:
    """A broker in a process of its own that keeps the study; and where it moves to."""
    back = peers.free_port()
    config = peers.configuration(dimse="accept_unknown_callers = true", peers={"NEAR": back})
    with peers.hilum(tmp_path_factory.mktemp("far"), config) as running:
        for number in range(1, INSTANCES + 1):
            one = made.made(1, 1, number, PixelData=os.urandom(PIXELS))
            body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + part10(one) + b"\r\n--b--"
            answer = httpx.post(
                f"{running.dicomweb}/studies",
                content=body,
                headers={"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'},
            )
            assert answer.status_code == 200, answer.text
        yield running, back


def part10(one: made.Made) -> bytes:
    return encode_meta(one.sop_class_uid, one.sop_instance_uid, EXPLICIT_LE) + one.data


@asynccontextmanager
async def near(
    folder: Path, dimse: Scissors, web: Scissors, arrivals: int
) -> AsyncIterator[Listening]:
    """The broker in this process, with all kinds of mounts on the far one."""

    def pacs(retrieve: str, **more: object) -> DimseMount:
        return DimseMount(
            backend="dimse",
            aet="ARCHIVE",
            host=peers.HOST,
            port=dimse.port,
            retrieve=retrieve,
            pool=Pool(size=SIZE, idle=0.2),
            arrival_timeout=1.0,
            **more,
        )

    settings = Settings(
        server=ServerSettings(aet="NEAR", data=folder),
        dimse=DimseSettings(port=arrivals, accept_unknown_callers=True, graceful_shutdown=2.0),
        http=HttpSettings(port=0, graceful_shutdown=2.0),
        mounts={
            "GET": pacs("get"),
            "MOVE": pacs("move"),
            "SPOOL": pacs("get", spool=True),
            "WEB": DicomwebMount(
                backend="dicomweb", url=f"http://{peers.HOST}:{web.port}/dicomweb", retries=0
            ),
            "KEEP": ArchiveMount(durability="relaxed"),
        },
        peers={"PEER": Peer(aet="PEER", host=peers.HOST, port=1)},
    )
    stop = asyncio.Event()
    listens: asyncio.Future[Listening] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(settings, listens.set_result, stop))
        try:
            yield await listens
        finally:
            stop.set()


async def retrieve(listening: Listening, mount: str, upto: int | None = None) -> bytes:
    """WADO-RS of the study; the client leaves after `upto` bytes."""
    _, port = listening.doors["http"]
    url = f"http://{peers.HOST}:{port}/aets/{mount}/studies/{STUDY}"
    got = b""
    async with (
        httpx.AsyncClient(timeout=60) as client,
        client.stream("GET", url, headers={"Accept": WADO}) as answer,
    ):
        if answer.status_code != 200:
            await answer.aread()
            raise httpx.RemoteProtocolError(f"{answer.status_code} {answer.text}")
        async for chunk in answer.aiter_raw(65536):
            got += chunk
            if upto is not None and len(got) > upto:
                break
    return got


async def get_and_abort(listening: Listening, mount: str) -> None:
    """C-GET of the study; the client hangs up when the first sub-operation has begun."""
    _, port = listening.doors["dimse"]
    key = STUDY.encode() + b"\0" * (len(STUDY) % 2)
    data = b"\x08\0\x52\0CS\x06\0STUDY " + b"\x20\0\x0d\0UI" + len(key).to_bytes(2, "little") + key
    async with wire.raw(port) as peer:
        await peer.associate(called_ae_title=mount, negotiation=wire.both_roles())
        await peer.send(wire.get(data=data))
        await peer.message()


async def counted(
    scissors: tuple[Scissors, ...], goal: tuple[int, ...] | None = None
) -> tuple[int, ...]:
    """Tasks, descriptors, and open connections to the far side, once they have come to rest."""
    for _ in range(int(SETTLE / 0.2)):
        await asyncio.sleep(0.2)
        now = (
            len(asyncio.all_tasks()),
            len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - as few descriptors as can be
            sum(each.open for each in scissors),
        )
        if goal is not None and all(one <= most for one, most in zip(now, goal, strict=True)):
            break
    return now


def no_more(now: tuple[int, ...], before: tuple[int, ...]) -> bool:
    return all(one <= most for one, most in zip(now, before, strict=True))


async def many(count: int, one: Callable[[int], Awaitable[None]]) -> None:
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await one(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())


async def test_nothing_is_left_behind(far: tuple[peers.Hilum, int], tmp_path: Path) -> None:
    running, back = far
    web_port = int(running.dicomweb.rpartition(":")[2].partition("/")[0])
    dimse, web = Scissors(running.port), Scissors(web_port)
    own = peers.free_port()
    arrivals = Scissors(own)
    chance = random.Random(4)  # noqa: S311 - no secret
    whole = INSTANCES * PIXELS
    async with (
        dimse.listening(),
        web.listening(),
        arrivals.listening(back),
        near(tmp_path, dimse, web, own) as listening,
    ):
        for mount in MOUNTS:
            assert (await retrieve(listening, mount)).count(b"DICM") == INSTANCES, mount

        async def client_leaves(number: int) -> None:
            mount = MOUNTS[number % len(MOUNTS)]
            if number % 5 == 4:
                await get_and_abort(listening, mount)
            else:
                await retrieve(listening, mount, chance.randrange(whole * 3 // 4))

        await many(2 * AT_ONCE, client_leaves)  # what is opened once for all is open then
        proxies = (dimse, web, arrivals)
        await asyncio.sleep(1.0)  # idle associations are let go
        before = await counted(proxies, (10**6,) * 3)
        gc.disable()
        try:
            await many(CUTS, client_leaves)
            assert no_more(await counted(proxies, before), before)

            dimse.after = web.after = lambda: chance.randrange(whole)
            arrivals.after = lambda: None

            async def peer_leaves(number: int) -> None:
                with suppress(httpx.HTTPError):
                    got = await retrieve(listening, MOUNTS[number % len(MOUNTS)])
                    assert got.count(b"DICM") == INSTANCES  # ended well: then it is whole

            await many(CUTS, peer_leaves)
            dimse.after = web.after = lambda: None
            assert dimse.cuts + web.cuts > CUTS // 2
            assert no_more(await counted(proxies, before), before)
        finally:
            gc.enable()
        # every slot is free: as many at once as there are
        for mount in MOUNTS:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(retrieve(listening, mount)) for _ in range(SIZE // 2)]
            assert all(task.result().count(b"DICM") == INSTANCES for task in tasks)
        for _ in range(50):  # the last ones may still be on their way out
            files = [each for each in (tmp_path / "spool").rglob("*") if each.is_file()]
            if all(each.name == "lock" for each in files):
                break
            await asyncio.sleep(0.1)
        assert [each for each in files if each.name != "lock"] == []
