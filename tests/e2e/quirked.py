"""A broker with a quirky PACS behind a mount, and clients that ask it by every protocol."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from pydicom import dcmread
from tests.backends.dicomweb.wire import file_of
from tests.contract.made import CT, Made, made, uid
from tests.quirky import HOST, Make, Pacs, Quirks, quirky

from hilum.backends.dimse import find as finding
from hilum.backends.dimse import retrieve as retrieving
from hilum.backends.dimse.contexts import storage
from hilum.backends.dimse.find import Answer
from hilum.backends.dimse.pool import Pool
from hilum.backends.dimse.store import PeerStores
from hilum.codec import question
from hilum.config.mounts import DimseMount
from hilum.config.schema import DimseSettings, HttpSettings, Peer, ServerSettings, Settings
from hilum.core.broker import Broker
from hilum.frontends.dicomweb.app import application
from hilum.frontends.dimse import server
from hilum.model.errors import HilumError
from hilum.model.identity import Level, Ref
from hilum.model.instance import Instance
from hilum.model.outcome import Progress, Stored
from hilum.mounting import mounted
from hilum.net import http
from hilum.net.inbox import Inbox
from hilum.upper_layer.association import Association
from hilum.upper_layer.requestor import Remote, associate
from hilum.upper_layer.standing import Timeouts

STUDY, SERIES, INSTANCE = (0x0020000D,), (0x0020000E,), (0x00080018,)
FOUR = [made(1, series, number) for series in (1, 2) for number in (1, 2)]
ONE = f"studies/{uid(1)}"
UIDS = [uid(1, series, number) for series in (1, 2) for number in (1, 2)]
MANY = [made(number, PatientName=f"Doe^{number}") for number in range(1, 31)]
LONG = {  # of the mount: seconds, for a slow machine
    "query_timeout": 20.0,
    "query_deadline": 60.0,
    "retrieve_timeout": 20.0,
    "retrieve_deadline": 60.0,
    "arrival_timeout": 20.0,
    "acse_timeout": 20.0,
}
SHORT = {  # for a PACS that keeps us waiting for ever
    "query_timeout": 1.5,
    "query_deadline": 3.0,
    "retrieve_timeout": 1.0,
    "retrieve_deadline": 10.0,
    "arrival_timeout": 0.6,
    "acse_timeout": 2.0,
}


def patience(quirks: Quirks) -> dict[str, float]:
    """How long the mount waits: short only for what never comes."""
    if quirks.stalls is not None:
        return SHORT
    found = dict(LONG)
    if quirks.endless:
        found |= {name: SHORT[name] for name in ("query_deadline", "retrieve_deadline")}
    if quirks != Quirks() and quirks.early_success is None:
        found["arrival_timeout"] = SHORT["arrival_timeout"]
    return found


@dataclass
class Got:
    """What a client got of a retrieval.

    Attributes:
        uids: SOP Instance UIDs, in order.
        status: of HTTP, or of the final C-GET response; None: there was none.
        whole: the answer came to its proper end.
        failed: SOP Instance UIDs that are said to have failed or to be missing.
    """

    uids: list[str]
    status: int | None
    whole: bool
    failed: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""


@dataclass
class Basket:
    """Takes what comes."""

    uids: list[str] = field(default_factory=list)

    async def store(self, instance: Instance, /) -> Stored:
        async for _ in instance.chunks:
            pass
        self.uids.append(instance.sop_instance_uid)
        return Stored(
            sop_class_uid=instance.sop_class_uid, sop_instance_uid=instance.sop_instance_uid
        )


@dataclass
class Brokered:
    """The broker, the PACS, and ways to ask.

    Attributes:
        pool: the broker's associations with the PACS.
    """

    pacs: Pacs
    url: str
    port: int
    pool: Pool
    client: httpx.AsyncClient

    async def qido(self, path: str) -> httpx.Response:
        """A search."""
        return await self.client.get(f"{self.url}/aets/PACS/{path}")

    async def wado(self, path: str) -> Got:
        """The instances below a path, read to the end, or to where it breaks off."""
        body = bytearray()
        accept = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
        whole = True
        async with self.client.stream(
            "GET", f"{self.url}/aets/PACS/{path}", headers=accept
        ) as answer:
            try:
                async for piece in answer.aiter_raw():
                    body += piece
            except httpx.HTTPError:
                whole = False
        headers, status = answer.headers, answer.status_code
        if "multipart" not in headers.get("content-type", ""):
            return Got([], status, whole, headers=headers, text=bytes(body).decode())
        boundary = headers["content-type"].partition("boundary=")[2].strip('"').encode()
        parts = bytes(body).split(b"--" + boundary)
        uids = []
        for part in parts[1:-1]:
            data = part.partition(b"\r\n\r\n")[2]
            uids.append(str(dcmread(BytesIO(data), force=True).SOPInstanceUID))
        closed = bytes(body).rstrip().endswith(b"--" + boundary + b"--")
        return Got(uids, status, whole and closed, headers=headers)

    @asynccontextmanager
    async def associated(self) -> AsyncIterator[Association]:
        """An association with the broker."""
        remote = self._remote()
        services = [*finding.CONTEXTS, *retrieving.GET_CONTEXTS, *retrieving.MOVE_CONTEXTS]
        held = storage([CT], beside=len(services))
        wanted = [*services, *held.wanted]
        extended = {uid: finding.RELATIONAL for uid, _ in finding.CONTEXTS}
        async with associate(remote, wanted, roles=held.roles, extended=extended) as association:
            yield association

    def _remote(self) -> Remote:
        return Remote(
            host=HOST,
            port=self.port,
            calling="VIEWER",
            called="PACS",
            timeouts=Timeouts(acse=10, message=30),
        )

    async def find(
        self, level: Level, keys: Mapping[tuple[int, ...], str], *, patient_root: bool = False
    ) -> tuple[list[Answer], HilumError | None]:
        """The answers to a C-FIND, and what went wrong."""
        answers: list[Answer] = []
        try:
            async with (
                self.associated() as association,
                finding.find(association, level, keys, patient_root=patient_root) as found,
            ):
                async for each in found:
                    answers.append(each)  # noqa: PERF401 - those before an error count
        except HilumError as error:
            return answers, error
        return answers, None

    async def get(self, ref: Ref) -> Got:
        """What a C-GET brings."""
        basket, text = Basket(), ""
        async with self.associated() as association:
            getting = retrieving.get(association, ref.level, question.keys_of(ref), basket)
            try:
                async with getting as retrieval:
                    async for _ in retrieval:
                        pass
            except HilumError as error:
                text = repr(error)
        failed = retrieval.progress.failed_uids
        return Got(basket.uids, retrieval.status, retrieval.status == 0, failed, text=text)

    async def move(
        self, ref: Ref, destination: str, *, patient_root: bool = False
    ) -> tuple[int | None, Progress]:
        """The final status and counts of a C-MOVE; None: it failed as a whole, or was lost."""
        keys = question.keys_of(ref)
        async with self.associated() as association:
            moving = retrieving.move(
                association, ref.level, keys, destination, patient_root=patient_root
            )
            try:
                async with moving as retrieval:
                    async for _ in retrieval:
                        pass
            except HilumError as error:
                print(f"the C-MOVE ended in {error!r}")  # noqa: T201 - shown where the test fails
        return retrieval.status, retrieval.progress

    async def store(self, instances: Sequence[Made]) -> list[Stored]:
        """What became of each, by C-STORE on one association."""
        remote = self._remote()
        needs = [(each.sop_class_uid, each.transfer_syntax_uid) for each in instances]
        async with PeerStores(remote).open(needs) as session:
            return [await session.store(each.instance()) for each in instances]

    async def stow(self, instances: Sequence[Made]) -> httpx.Response:
        """One STOW-RS request with all of them."""
        body = b"".join(
            b"--sep\r\nContent-Type: application/dicom\r\n\r\n" + file_of(each) + b"\r\n"
            for each in instances
        )
        headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=sep'}
        return await self.client.post(
            f"{self.url}/aets/PACS/studies", headers=headers, content=body + b"--sep--\r\n"
        )

    async def idle(self) -> None:
        """Wait until no slot is in use: at once, or as soon as a peer has been said goodbye to."""
        until = time.monotonic() + 30
        while self.pool.in_use:
            assert time.monotonic() < until, f"{self.pool.in_use} slots are in use"
            await asyncio.sleep(0.01)


@asynccontextmanager
async def brokering(
    folder: Path,
    quirks: Quirks | None = None,
    held: Sequence[Made] = FOUR,
    *,
    make: Make = Make.OWN,
    peers: Mapping[str, int] | None = None,
    **settings: Any,
) -> AsyncIterator[Brokered]:
    """The broker, until the block is left; then no slot is in use, and no task is left behind.

    Args:
        folder: for its files.
        quirks: of the PACS.
        held: what the PACS has.
        make: what the PACS is made of.
        peers: AE title -> port on this machine, of where a C-MOVE may go.
        settings: of the mount.
    """
    with quirky(held, quirks, make=make) as pacs:
        mount = DimseMount(
            backend="dimse",
            default=True,
            aet=pacs.aet,
            host=HOST,
            port=pacs.port,
            **{**patience(quirks or Quirks()), **settings},
        )
        before = asyncio.all_tasks()
        async with _running(folder, mount, pacs, peers or {}) as running:
            yield running
            await running.idle()
        left = asyncio.all_tasks() - before
        assert not left, left


@asynccontextmanager
async def _running(
    folder: Path, mount: DimseMount, pacs: Pacs, peers: Mapping[str, int]
) -> AsyncIterator[Brokered]:
    pacs.destinations.update({name: (HOST, port) for name, port in peers.items()})
    settings = Settings(
        server=ServerSettings(aet="HILUM", data=folder),
        dimse=DimseSettings(bind=HOST, port=0, accept_unknown_callers=True, graceful_shutdown=1.0),
        http=HttpSettings(bind=HOST, port=0, graceful_shutdown=1.0),
        mounts={"PACS": mount},
        peers={
            name: Peer(aet=name, host=HOST, port=port, message_timeout=2.0)
            for name, port in peers.items()
        },
    )
    inbox, stop = Inbox(), asyncio.Event()
    loop = asyncio.get_running_loop()
    doors = [loop.create_future(), loop.create_future()]
    failed: Exception | None = None
    async with mounted(settings, inbox) as found:
        broker = Broker(found.mounts, found.destinations)
        there: Any = found.mounts["PACS"].echoes
        async with asyncio.TaskGroup() as group:
            group.create_task(
                server.serve(
                    broker,
                    settings,
                    inbox=inbox,
                    started=lambda _, port: doors[0].set_result(port),
                    stop=stop,
                )
            )
            group.create_task(
                http.serve(
                    application(broker, settings.http),
                    settings.http,
                    started=lambda _, port: doors[1].set_result(port),
                    stop=stop,
                )
            )
            dimse, web = [await each for each in doors]
            pacs.destinations["HILUM"] = (HOST, dimse)
            try:
                async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
                    yield Brokered(pacs, f"http://{HOST}:{web}", dimse, there.pool, client)
            except Exception as error:  # noqa: BLE001 - raised again, when the group is gone
                failed = error
            finally:
                stop.set()
    if failed is not None:
        raise failed
