"""A DIMSE server in a thread of this process, and pynetdicom as the peer that calls it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, generate_uid
from pynetdicom import AE, _config
from pynetdicom.association import Association

from hilum.backends.dimse.remote import remote
from hilum.backends.dimse.store import PeerStores
from hilum.backends.memory import Memory
from hilum.codec.sop_class import EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE
from hilum.config.schema import DimseSettings, Peer, ServerSettings, Settings
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.core.operations import Operation
from hilum.frontends.dimse.server import serve
from hilum.net.inbox import Inbox
from hilum.net.rates import Rates

_config.LOG_HANDLER_LEVEL = "none"  # a log record for each PDU is slow
_config.LOG_REQUEST_IDENTIFIERS = _config.LOG_RESPONSE_IDENTIFIERS = False

HOST = "127.0.0.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
START = 20.0  # seconds


@dataclass(slots=True)
class Server:
    """A running server.

    Attributes:
        asked: the operations that it was asked for.
        behind: what keeps the instances.
    """

    port: int = 0
    asked: list[Operation] = field(default_factory=list)
    behind: Any = None
    loop: asyncio.AbstractEventLoop | None = None
    stop: asyncio.Event | None = None
    thread: threading.Thread | None = None

    def end(self) -> None:
        """Ask it to stop; returns at once."""
        assert self.loop is not None
        assert self.stop is not None
        self.loop.call_soon_threadsafe(self.stop.set)


Opens = Callable[[], AbstractAsyncContextManager[Any]]
"""Opens what stands behind the mounts, in the server's event loop."""


@contextmanager
def serving(
    opens: Opens | None = None,
    *,
    mounts: Sequence[str] = ("ARCHIVE",),
    peers: Mapping[str, int] | None = None,
    inbox: Inbox | None = None,
    rates: Rates | None = None,
    **limits: object,
) -> Iterator[Server]:
    """The DIMSE frontend, with one backend behind all of `mounts`, the first being the default.

    Args:
        opens: the backend; None: a `Memory`.
        mounts: their AE titles.
        peers: AE title -> port on this machine; PEER is always one.
        inbox: where C-MOVEs of ours wait.
        rates: how much a caller may ask.
        limits: further settings of [dimse].
    """
    settings = Settings(
        server=ServerSettings(aet="HILUM"),
        dimse=DimseSettings(**{"bind": HOST, "port": 0, **limits}),  # type: ignore[arg-type]
        peers={
            name: Peer(aet=name, host=HOST, port=port, connect_timeout=20.0)
            for name, port in {"PEER": 1, **(peers or {})}.items()
        },
    )
    server = Server()
    listens = threading.Event()
    failed: list[BaseException] = []

    def started(_host: str, port: int) -> None:
        server.port = port
        listens.set()

    async def run() -> None:
        server.loop, server.stop = asyncio.get_running_loop(), asyncio.Event()
        async with AsyncExitStack() as stack:
            behind = Memory("HILUM") if opens is None else await stack.enter_async_context(opens())
            server.behind = behind
            broker = Broker(
                Mounts({name: _mount(name, behind) for name in mounts}, mounts[0], "HILUM"),
                {each.aet: PeerStores(remote(each, "HILUM")) for each in settings.peers.values()},
                server.asked.append,
            )
            await serve(
                broker, settings, inbox=inbox, started=started, stop=server.stop, rates=rates
            )

    def work() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # noqa: BLE001 - raised again where the test sees it
            failed.append(error)
            listens.set()

    server.thread = threading.Thread(target=work, name="server")
    server.thread.start()
    try:
        assert listens.wait(START)
        if not failed:
            yield server
    finally:
        if not failed:
            server.end()
        server.thread.join(START)
        assert not server.thread.is_alive()
    if failed:
        raise failed[0]


def _mount(name: str, behind: Any) -> Mount:
    offers = {
        key: behind if behind is not None and hasattr(behind, method) else None
        for key, method in (
            ("echoes", "echo"),
            ("finds", "find"),
            ("retrieves", "retrieve"),
            ("describes", "describe"),
            ("stores", "open"),
        )
    }
    return Mount(name=name, backend="memory", **offers)


Context = tuple[str, Sequence[str]]


@contextmanager
def scu(
    server: Server,
    *contexts: Context,
    called: str = "HILUM",
    calling: str = "PEER",
    **more: object,
) -> Iterator[Association]:
    """An association of pynetdicom's, released at the end."""
    ae = AE(calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = ae.connection_timeout = 20
    for uid, syntaxes in contexts:
        ae.add_requested_context(uid, list(syntaxes))
    association = ae.associate(HOST, server.port, ae_title=called, **more)  # type: ignore[arg-type]
    try:
        assert association.is_established
        yield association
    finally:
        if association.is_established:
            association.release()
        ae.shutdown()


def ct(**changes: object) -> Dataset:
    """A small CT slice with its File Meta Information."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = CT, generate_uid()
    made.StudyInstanceUID, made.SeriesInstanceUID = "1.2.3.1", "1.2.3.1.1"
    made.PatientName, made.PatientID = "Doe^Jane", "P1"
    made.PatientBirthDate, made.PatientSex = "19700101", "F"
    made.StudyDate, made.StudyTime, made.AccessionNumber = "20200131", "101500", "A1"
    made.StudyID, made.StudyDescription, made.ReferringPhysicianName = "S1", "Head", "Who^Dr"
    made.Modality, made.SeriesNumber, made.InstanceNumber = "CT", 1, 1
    made.Rows = made.Columns = 4
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation, made.SamplesPerPixel = 15, 0, 1
    made.PhotometricInterpretation = "MONOCHROME2"
    for keyword, value in changes.items():
        setattr(made, keyword, value)
    made.add_new(0x7FE00010, "OW", bytes(range(32)))
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(EXPLICIT_LE)
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def encoded(dataset: Dataset, syntax: str = EXPLICIT_LE) -> bytes:
    """The data set as it goes over the wire."""
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = syntax == IMPLICIT_LE, syntax != EXPLICIT_BE
    write_dataset(out, dataset)
    return out.getvalue()


def study(
    *, series: int = 2, instances: int = 2, uid: str = "1.2.3.1", **changes: object
) -> list[Dataset]:
    """The slices of a study whose UIDs tell where they belong."""
    return [
        ct(
            StudyInstanceUID=uid,
            SeriesInstanceUID=f"{uid}.{one}",
            SOPInstanceUID=f"{uid}.{one}.{two}",
            SeriesNumber=one,
            InstanceNumber=two,
            **changes,
        )
        for one in range(1, series + 1)
        for two in range(1, instances + 1)
    ]


def send(server: Server, datasets: Sequence[Dataset], called: str = "HILUM") -> list[int]:
    """Store them by pynetdicom; the statuses."""
    contexts = {(str(each.SOPClassUID), str(each.file_meta.TransferSyntaxUID)) for each in datasets}
    with scu(server, *[(uid, [syntax]) for uid, syntax in contexts], called=called) as association:
        return [store(association, each) for each in datasets]


def store(association: Association, dataset: Dataset) -> int:
    """A C-STORE by pynetdicom; its status."""
    settle(association)
    return int(association.send_c_store(dataset).Status)


def settle(association: Association) -> None:
    """Wait until pynetdicom's own thread runs again after the last request.

    It takes a moment; a request that comes sooner believes it still paused, and loses its answer.
    """
    until = time.monotonic() + START
    while association._is_paused:
        assert time.monotonic() < until
        time.sleep(0.001)


def exchange(association: Association, request: Any, context_id: int) -> Any:
    """A request as it is, and its answer.

    pynetdicom's own thread, which would take the answer away, is paused as its `send_c_store` does.
    """
    settle(association)
    association._reactor_checkpoint.clear()
    try:
        until = time.monotonic() + START
        while not association._is_paused:
            assert time.monotonic() < until
            time.sleep(0.001)
        association.dimse.send_msg(request, context_id)
        _, answer = association.dimse.get_msg(block=True)
    finally:
        association._reactor_checkpoint.set()
    assert answer is not None
    return answer
