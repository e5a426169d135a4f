"""A broker that runs takes another configuration, and what it is just doing comes to its end."""

import asyncio
import getpass
import json
import os
import queue
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)
from tests import peers
from tests.contract.made import dataset, made, uid

from hilum.codec.part10 import encode_meta
from hilum.service.requests import ask

pytestmark = pytest.mark.anyio
HOST = peers.HOST
COUNT = 4  # instances of the study that the PACS holds
SERVER = f"""
[server]
aet = "HILUM"
data = "./data"
[dimse]
bind = "{HOST}"
port = 0
[http]
bind = "{HOST}"
port = 0
[mounts.ARCHIVE]
backend = "archive"
default = true
[peers.TOOL]
aet = "TOOL"
host = "{HOST}"
port = 104
"""
PACS = f"""
[mounts.PACS]
backend = "dimse"
aet = "SLOW"
host = "{HOST}"
port = {{port}}
retrieve = "get"
"""


class Slow:
    """A PACS that stops in the middle of everything, until it is told to go on."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.stored: list[str] = []
        self.closed = threading.Semaphore(0)

    def pause(self) -> None:
        self.waiting.release()
        assert self.gate.wait(60)

    def find(self, event: Event) -> Iterator[tuple[int, Dataset]]:
        level = event.identifier.QueryRetrieveLevel
        for number in range(1, (COUNT if level == "IMAGE" else 1) + 1):
            held, answer = dataset(1, 1, number), Dataset()
            answer.QueryRetrieveLevel = level
            for each in event.identifier:
                if each.tag in held:
                    answer[each.tag] = held[each.tag]
            yield 0xFF00, answer

    def get(self, _event: Event) -> Iterator[Any]:
        yield COUNT
        for number in range(1, COUNT + 1):
            if number == COUNT:
                self.pause()
            yield 0xFF00, with_meta(1, number)

    def store(self, event: Event) -> int:
        if self.stored:
            self.pause()
        self.stored.append(event.request.AffectedSOPInstanceUID)
        return 0x0000

    @property
    def handlers(self) -> dict[Any, Callable[..., object]]:
        return {
            evt.EVT_C_FIND: self.find,
            evt.EVT_C_GET: self.get,
            evt.EVT_C_STORE: self.store,
            evt.EVT_CONN_CLOSE: lambda _: self.closed.release(),
        }


CONTEXTS = [
    (uid_, ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
    for uid_ in (
        CTImageStorage,
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelGet,
        Verification,
    )
]


class Manager:
    """Hears what systemd would."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self._heard: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while said := self.listener.recv(4096).decode():
            for each in said.splitlines():
                self._heard.put(each)

    def until(self, text: str) -> None:
        """Wait until that is said."""
        while self._heard.get(timeout=60) != text:
            pass


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0hilum-{tmp_path_factory.mktemp('notify').parent.name}-{os.getpid()}")
        yield Manager(listener)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", listener.getsockname())


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, manager: Manager) -> Iterator[peers.Hilum]:
    place = manager.listener.getsockname().decode().replace("\0", "@")
    env = {"NOTIFY_SOCKET": place, "WATCHDOG_USEC": "1000000"}
    with peers.hilum(tmp_path_factory.mktemp("hilum"), SERVER, env=env) as broker:
        yield broker
    manager.until("STOPPING=1")


def reloaded(broker: peers.Hilum, config: str) -> dict[str, Any]:
    """What becomes of that configuration."""
    broker.config.write_text(config)
    return ask(broker.data / "requests")


def configured(broker: peers.Hilum) -> list[dict[str, Any]]:
    """What the audit tells of reloads."""
    files = sorted((broker.data / "audit").glob("*.jsonl"))
    lines = [json.loads(each) for file in files for each in file.read_text().splitlines()]
    return [each for each in lines if each["event"] == "security configuration"]


def status(broker: peers.Hilum, path: str) -> int:
    return httpx.get(broker.root + path, trust_env=False, timeout=60).status_code


def echoes(broker: peers.Hilum, calling: str, called: str = "HILUM") -> bool:
    """Whether who calls so is let in."""
    tool = AE(calling)
    tool.add_requested_context(Verification)
    association = tool.associate(HOST, broker.port, ae_title=called)
    if not association.is_established:
        return False
    found = association.send_c_echo()
    association.release()
    return found.Status == 0x0000


def with_meta(study: int, number: int) -> Dataset:
    one = dataset(study, 1, number)
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return one


def part10(study: int, number: int) -> bytes:
    one = made(study, 1, number)
    meta = encode_meta(one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid)
    return meta + one.data


async def streamed(url: str) -> tuple[int, int]:
    """The status of a retrieval, and the parts that came; 0 where its end did not."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        answer = await client.get(url)
    boundary = answer.headers["content-type"].partition("boundary=")[2].strip('"').encode()
    parts = answer.content.split(b"--" + boundary)
    return answer.status_code, len(parts) - 2 if parts[-1].strip() == b"--" else 0


class Upload:
    """A STOW-RS request that stops in its middle."""

    def __init__(self) -> None:
        self.gate, self.begun = asyncio.Event(), asyncio.Event()

    async def body(self) -> AsyncIterator[bytes]:
        for number in (1, 2):
            yield b"\r\n--b\r\nContent-Type: application/dicom\r\n\r\n" + part10(3, number)
            self.begun.set()
            await self.gate.wait()
        yield b"\r\n--b--\r\n"

    async def stored(self, url: str) -> int:
        kind = 'multipart/related; type="application/dicom"; boundary=b'
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            answer = await client.post(url, content=self.body(), headers={"Content-Type": kind})
        return answer.status_code


async def test_what_runs_comes_to_its_end_with_what_it_began_with(
    broker: peers.Hilum, tmp_path: Path
) -> None:
    """A mount goes while it is retrieved from over both doors, and stored to."""
    slow, upload = Slow(), Upload()
    files = [tmp_path / f"{number}.dcm" for number in range(1, COUNT + 1)]
    for number, file in enumerate(files, 1):
        file.write_bytes(part10(2, number))
    at = ("-aet", "TOOL", "-aec", "PACS", HOST, str(broker.port))
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid(1)}")
    getscu = [peers.dcmtk("getscu"), "-v", "-S", "-od", tmp_path / "got", *keys, *at]
    storescu = [peers.dcmtk("storescu"), "-v", *at, *files]
    (tmp_path / "got").mkdir()
    run = anyio.to_thread.run_sync
    with peers.pynetdicom(slow.handlers, CONTEXTS, aet="SLOW") as port:
        assert (await run(reloaded, broker, SERVER + PACS.format(port=port)))["ok"]
        async with asyncio.TaskGroup() as group:
            web = group.create_task(streamed(f"{broker.root}/aets/PACS/studies/{uid(1)}"))
            got = group.create_task(run(peers.run, getscu))
            sent = group.create_task(run(peers.run, storescu))
            stow = group.create_task(upload.stored(f"{broker.root}/aets/ARCHIVE/studies"))
            await upload.begun.wait()
            for _ in range(3):  # all are in the middle
                await run(slow.waiting.acquire)
            said = await run(reloaded, broker, SERVER)
            assert said == {
                "ok": True,
                "applied": ["mounts.PACS (removed)"],
                "restart": [],
                "problems": [],
            }
            assert await run(status, broker, "/aets/PACS/studies") == 404
            assert not await run(echoes, broker, "TOOL", "PACS")
            assert not any(each.done() for each in (web, got, sent, stow))
            slow.gate.set()
            upload.gate.set()
        assert web.result() == (200, COUNT)
        assert len([*(tmp_path / "got").iterdir()]) == COUNT
        assert "Final" not in got.result().stdout or got.result().returncode == 0
        assert slow.stored == [uid(2, 1, number) for number in range(1, COUNT + 1)]
        assert sent.result().stdout.count("Received Store Response (Success)") == COUNT
        assert stow.result() == 200
        for _ in range(3):  # what the mount had is closed now, long before it is idle
            assert await run(slow.closed.acquire, True, 20)  # noqa: FBT003 - blocking


def test_new_mounts_and_peers_are_known_at_once(broker: peers.Hilum) -> None:
    assert not echoes(broker, "NEW")
    more = '[mounts.MORE]\nbackend = "archive"\n[peers.NEW]\naet = "NEW"\nhost = "h"\nport = 1\n'
    said = reloaded(broker, SERVER + more)
    assert said["applied"] == ["mounts.MORE (added)", "peers.NEW (added)"]
    told = configured(broker)[-1]
    why = "reload: applied: mounts.MORE (added), peers.NEW (added)"
    assert (told["outcome"], told["why"]) == (0, why)
    assert echoes(broker, "NEW", "MORE")
    assert status(broker, "/aets/MORE/studies") in {200, 204}
    reloaded(broker, SERVER)
    assert not echoes(broker, "NEW")
    assert status(broker, "/aets/MORE/studies") == 404


def test_an_association_stays_open_and_the_archive_too(broker: peers.Hilum) -> None:
    tool = AE("TOOL")
    tool.add_requested_context(CTImageStorage)
    tool.add_requested_context(Verification)
    association = tool.associate(HOST, broker.port, ae_title="ARCHIVE")
    try:
        assert association.send_c_store(with_meta(5, 1)).Status == 0x0000
        changed = SERVER.replace("default = true", "default = true\ndelete = true")
        changed = changed.replace("[dimse]", "[dimse]\nmax_associations = 7\nidle_timeout = 300")
        assert reloaded(broker, changed)["applied"] == [
            "dimse.max_associations",
            "dimse.idle_timeout",
            "mounts.ARCHIVE.delete",
        ]
        assert association.send_c_store(with_meta(5, 2)).Status == 0x0000
        url = f"{broker.root}/aets/ARCHIVE/studies/{uid(5)}"
        assert httpx.delete(url, trust_env=False, timeout=60).status_code in {200, 204}
        assert association.send_c_store(with_meta(5, 3)).Status == 0x0000
    finally:
        association.release()
        reloaded(broker, SERVER)


BAD = {
    "[mounts.BROKEN\n": "not TOML",
    '[mounts.X]\nbackend = "archive"\ndelet = true\n': "did you mean mounts.X.delete?",
    '[limits]\nburst = "never"\n': "limits.burst: ",
    '[tls]\ncertificate = "none.pem"\n': "tls.certificate: there is no file",
    '[mounts.X]\nbackend = "archive"\npath = "config.toml"\n': "mounts.X: ",
}


def test_a_bad_file_changes_nothing_and_is_told(broker: peers.Hilum) -> None:
    for text, problem in BAD.items():
        before = len(broker.said)
        said = reloaded(broker, SERVER.replace("TOOL", "OTHER") + text)
        assert not said["ok"]
        assert problem in said["problems"][0]
        assert problem in broker.said[before:]
    assert echoes(broker, "TOOL")
    assert not echoes(broker, "OTHER")
    told = peers.command("reload", "--config", broker.config)
    assert told.returncode == 1
    assert "mounts.X: " in told.stdout
    lines = configured(broker)[-len(BAD) - 1 :]
    for problem, line in zip((*BAD.values(), "mounts.X: "), lines, strict=True):
        assert (line["outcome"], problem in line["why"]) == (4, True)
    assert lines[-1]["who_name"] == getpass.getuser()
    broker.config.write_text(SERVER)


def test_who_started_it_is_told(broker: peers.Hilum, manager: Manager) -> None:
    manager.until("READY=1")
    manager.until("WATCHDOG=1")
    broker.process.send_signal(signal.SIGHUP)
    manager.until("RELOADING=1")
    manager.until("READY=1")
    manager.until("STATUS=reload: applied: nothing has changed")
    manager.until("WATCHDOG=1")


def test_what_needs_a_restart_is_told_and_the_rest_is_applied(broker: peers.Hilum) -> None:
    text = SERVER.replace('aet = "HILUM"', 'aet = "OTHER"').replace("port = 0", "port = 1", 1)
    said = reloaded(broker, text + '[logging]\nlevel = "debug"\n')
    assert said["restart"] == ["server.aet", "dimse.port"]
    assert said["applied"] == ["logging.level"]
    assert echoes(broker, "TOOL")
    reloaded(broker, SERVER)


async def test_logins_change_at_once(broker: peers.Hilum) -> None:
    """Also for an association that is open: its next request is judged by what holds then."""
    run = anyio.to_thread.run_sync
    tool = AE("TOOL")
    tool.add_requested_context(Verification)
    tool.add_requested_context(StudyRootQueryRetrieveInformationModelFind)
    guarded = SERVER.replace('aet = "TOOL"', 'aet = "TOOL"\nauth = "ae"\nmay = {may}')
    guarded += "[auth]\nenabled = true\n"
    assert (await run(reloaded, broker, guarded.format(may='["echo", "query"]')))["ok"]
    assert await run(status, broker, "/aets/ARCHIVE/studies") == 401
    association = await run(lambda: tool.associate(HOST, broker.port, ae_title="ARCHIVE"))
    try:
        query = Dataset()
        query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", ""

        def asked() -> int:
            found = association.send_c_find(query, StudyRootQueryRetrieveInformationModelFind)
            return int([status.Status for status, _ in found][-1])

        assert await run(asked) == 0x0000
        assert (await run(reloaded, broker, guarded.format(may='["echo"]')))["ok"]
        assert await run(asked) == 0x0124  # not authorized
    finally:
        association.release()
    assert (await run(reloaded, broker, SERVER))["ok"]
    assert await run(status, broker, "/aets/ARCHIVE/studies") in {200, 204}
