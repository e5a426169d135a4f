"""Several processes that serve together look like one from outside, whatever happens to them."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from tests import peers
from tests.contract.made import Made, made, uid
from tests.quirky import Pacs, Quirks, quirky

from hilum.codec.part10 import encode_meta

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name == "nt", reason="several processes do not serve together there"),
]
STUDIES = 20
HELD = [made(study, 1, number) for study in range(1, STUDIES + 1) for number in (1, 2, 3)]
CONFIG = """
[server]
aet = "HILUM"
data = "./data"
workers = {workers}
[dimse]
bind = "127.0.0.1"
port = {port}
accept_unknown_callers = true
[http]
bind = "127.0.0.1"
port = 0
[mounts.ARCHIVE]
default = true
{beside}
[peers.THIRD]
aet = "THIRD"
host = "127.0.0.1"
port = {third}
"""
PACS = """
[mounts.PACS]
backend = "dimse"
aet = "QUIRKY"
host = "127.0.0.1"
port = {pacs}
retrieve = "move"
wait = "{wait}"
retry_after = 0.1
"""


def config(port: int = 0, pacs: int = 0, *, third: int = 104, **more: object) -> str:
    values = {"third": third, "wait": "stream", "workers": 2, **more}
    beside = PACS.format(pacs=pacs, **values) if pacs else ""
    return CONFIG.format(port=port, beside=beside, **values)


@contextmanager
def beside(
    folder: Path, quirks: Quirks | None = None, **more: object
) -> Iterator[tuple[peers.Hilum, Pacs]]:
    """A broker of two workers, and a PACS that knows it by one AE title."""
    port = peers.free_port()
    with (
        quirky(HELD, quirks, destinations={"HILUM": port}) as pacs,
        peers.hilum(folder, config(port, pacs.port, **more)) as broker,
    ):
        yield broker, pacs


def workers(broker: peers.Hilum) -> list[int]:
    """The process ids of the workers that are ready now."""
    listed = subprocess.run(
        ["/bin/ps", "-o", "pid=,args=", "--ppid", str(broker.process.pid)],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    return [int(line.split()[0]) for line in listed.splitlines() if "hilum.workers" in line]


def part10(one: Made) -> bytes:
    meta = encode_meta(one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid)
    return meta + one.data


def stored(folder: Path, instances: list[Made]) -> list[Path]:
    folder.mkdir()
    paths = []
    for number, each in enumerate(instances):
        paths.append(folder / f"{number}.dcm")
        paths[-1].write_bytes(part10(each))
    return paths


def soon(what: Callable[[], bool], patience: float = 60.0) -> bool:
    until = time.monotonic() + patience
    while not (there := what()) and time.monotonic() < until:
        time.sleep(0.05)
    return there


def counted(log: str, text: str) -> set[str]:
    """The workers that said so."""
    return {found[1] for found in re.finditer(rf"\[(\d+)\] [^\n]*{text}", log)}


def count(broker: peers.Hilum) -> int:
    """Instances in the archive, as a connection of its own sees it."""
    with httpx.Client(trust_env=False) as client:
        return len(client.get(f"{broker.dicomweb}/instances?limit=1000").json())


def test_what_one_worker_has_stored_every_other_gives_at_once(tmp_path: Path) -> None:
    storescu, findscu = peers.dcmtk("storescu"), peers.dcmtk("findscu")
    with peers.hilum(tmp_path / "hilum", config()) as broker:
        for number, path in enumerate(stored(tmp_path / "in", HELD[:6]), 1):
            address = [broker.host, str(broker.port)]
            peers.run([storescu, "-aec", "HILUM", *address, path])
            clients = [httpx.Client(trust_env=False) for _ in range(4)]  # to both
            url = f"{broker.dicomweb}/instances"
            assert [len(client.get(url).json()) for client in clients] == [number] * 4
            for client in clients:
                client.close()
            keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "NumberOfStudyRelatedInstances"]
            for _ in range(2):
                said = peers.run([findscu, "-v", "-S", "-aec", "HILUM", *keys, *address]).stdout
                related = re.findall(r"IS \[(\d+) *\]", said)
                assert sum(map(int, related)) == number
        log = broker.log.read_text()
    assert counted(log, "accepted 1 of 1") == counted(log, "GET /dicomweb") == {"0", "1"}


def test_kill_9_of_a_worker_loses_nothing_and_the_service_goes_on(tmp_path: Path) -> None:
    storescu = peers.dcmtk("storescu")
    files: dict[str, str] = {}
    with peers.hilum(tmp_path / "hilum", config()) as broker:
        sending = []
        for sender in range(4):
            ours = [made(100 + sender, 1, number) for number in range(1, 301)]
            folder = tmp_path / f"in{sender}"
            paths = stored(folder, ours)
            files |= {
                str(path): each.sop_instance_uid for path, each in zip(paths, ours, strict=True)
            }
            said = (tmp_path / f"said{sender}").open("w+")
            command = [
                storescu,
                "-v",
                "-aec",
                "HILUM",
                "+sd",
                broker.host,
                str(broker.port),
                folder,
            ]
            sending.append((subprocess.Popen(command, stdout=said, stderr=said), said))
        before = workers(broker)
        # As soon as all are there: to ask what has come takes longer than a good part of it.
        assert soon(lambda: broker.log.read_text().count(": accepted ") >= len(sending))
        log = broker.log.read_text()
        busy = re.findall(r"\[(\d+)\] [^\n]*: accepted ", log)[-1]  # it has the longest way to go
        told = re.search(rf"worker {busy} is ready: process (\d+)", log)
        assert told is not None
        os.kill(int(told[1]), signal.SIGKILL)
        codes = [process.wait(60) for process, _ in sending]
        acknowledged: set[str] = set()
        for _, said in sending:
            said.seek(0)
            current = ""
            for line in said:
                if found := re.match(r"I: Sending file: (.+)$", line):
                    current = files[found[1].strip()]
                elif "Received Store Response (Success)" in line:
                    acknowledged.add(current)
            said.close()
        assert any(codes)
        assert soon(lambda: len(set(workers(broker)) - set(before)) == 1)
        assert soon(lambda: broker.log.read_text().count(" is ready: process ") == 3)
        with httpx.Client(trust_env=False) as client:
            found = client.get(f"{broker.dicomweb}/instances?limit=2000&includefield=none").json()
        there = {each["00080018"]["Value"][0] for each in found}
        assert acknowledged <= there
        assert acknowledged
        assert broker.stop() == 0
    with peers.hilum(tmp_path / "hilum") as broker, httpx.Client(trust_env=False) as client:
        found = client.get(f"{broker.dicomweb}/instances?limit=2000&includefield=none").json()
        assert acknowledged <= {each["00080018"]["Value"][0] for each in found}


async def retrieved(url: str) -> tuple[int, int]:
    """The status of a retrieval over a connection of its own, and how many parts came."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        answer = await client.get(url)
        while answer.status_code == 503:
            await asyncio.sleep(0.05)
            answer = await client.get(url)
    boundary = answer.headers.get("content-type", "").partition("boundary=")[2].strip('"').encode()
    return answer.status_code, len(answer.content.split(b"--" + boundary)) - 2 if boundary else 0


@pytest.mark.parametrize(
    ("quirks", "wait"),
    [
        (Quirks(), "stream"),
        (Quirks(no_originator=True), "stream"),
        (Quirks(store_title="ROUTER"), "stream"),
        (Quirks(), "retry_after"),
    ],
)
async def test_what_a_pacs_brings_finds_who_waits_for_it(
    tmp_path: Path, quirks: Quirks, wait: str
) -> None:
    with beside(tmp_path, quirks, wait=wait) as (broker, _):
        urls = [f"{broker.root}/aets/PACS/studies/{uid(each)}" for each in range(1, STUDIES + 1)]
        async with asyncio.TaskGroup() as tasks:
            got = [tasks.create_task(retrieved(url)) for url in urls]
        assert [each.result() for each in got] == [(200, 3)] * STUDIES
        log = broker.log.read_text()
    assert len(counted(log, "GET /aets/PACS")) == 1
    assert len(counted(log, "'(QUIRKY|ROUTER)' to 'HILUM'")) == 1


async def test_who_asks_while_a_home_is_empty_waits_for_its_next_worker(tmp_path: Path) -> None:
    with beside(tmp_path) as (broker, _):
        url = f"{broker.root}/aets/PACS/studies/{uid(1)}"
        assert await retrieved(url) == (200, 3)
        async with asyncio.timeout(30):  # the line comes after the answer
            while not (homes := counted(broker.log.read_text(), "GET /aets/PACS")):  # noqa: ASYNC110 - the log is a file
                await asyncio.sleep(0.1)
        [home] = homes
        told = re.search(rf"worker {home} is ready: process (\d+)", broker.log.read_text())
        assert told is not None
        os.kill(int(told[1]), signal.SIGKILL)
        async with asyncio.TaskGroup() as tasks:
            got = [tasks.create_task(retrieved(url)) for _ in range(6)]
        assert [each.result() for each in got] == [(200, 3)] * 6


async def test_a_connection_may_ask_for_what_is_here_and_there_in_turn(tmp_path: Path) -> None:
    def ask(root: str) -> list[int]:
        with httpx.Client(trust_env=False) as client:
            found = []
            for number in range(30):
                body = part10(HELD[number])
                sent = client.post(
                    f"{root}/dicomweb/studies",
                    content=b"--b\r\nContent-Type: application/dicom\r\n\r\n"
                    + body
                    + b"\r\n--b--\r\n",
                    headers={
                        "content-type": "multipart/related; type=application/dicom; boundary=b"
                    },
                )
                pacs = client.get(f"{root}/aets/PACS/studies")
                found += [sent.status_code, len(pacs.json())]
            return found

    with beside(tmp_path) as (broker, _):
        async with asyncio.TaskGroup() as tasks:
            asked = [
                tasks.create_task(anyio.to_thread.run_sync(ask, broker.root)) for _ in range(4)
            ]
        assert all(each.result() == [200, STUDIES] * 30 for each in asked)


async def test_a_body_that_came_with_its_head_goes_where_the_request_goes(tmp_path: Path) -> None:
    with beside(tmp_path) as (broker, pacs):
        one = part10(made(700, 1, 1))
        body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n--b--\r\n"
        path = b"/aets/PACS/studies"
        head = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n" % (
            path, len(body),
        )  # fmt: skip
        head += b'Content-Type: multipart/related; type="application/dicom"; boundary=b\r\n\r\n'
        address = (broker.host, int(broker.root.rpartition(":")[2]))
        whole = head + body

        def send(cut: int) -> bytes:
            with socket.create_connection(address, timeout=20) as client:
                client.sendall(whole[:cut])
                time.sleep(0.1)
                client.sendall(whole[cut:])
                return b"".join(iter(lambda: client.recv(65536), b""))

        for cut in (3, 10, len(head) - 1, len(head) + 1, len(whole)):
            for _ in range(2):
                answer = await anyio.to_thread.run_sync(send, cut)
                assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
        assert len(pacs.taken) == 10


@pytest.mark.parametrize("mount", ["PACS", "ARCHIVE"])
async def test_jobs_and_sends_can_be_asked_for_on_any_connection(
    tmp_path: Path, mount: str
) -> None:
    with quirky(aet="THIRD") as third, beside(tmp_path, wait="job", third=third.port) as found:
        broker, _ = found
        if mount == "ARCHIVE":
            paths = stored(tmp_path / "in", HELD[:3])
            address = ["-aec", "HILUM", broker.host, str(broker.port)]
            peers.run([peers.dcmtk("storescu"), *address, *paths])
        root = f"{broker.root}/aets/{mount}"
        prefer = {"Prefer": "respond-async"}
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            answer = await client.get(f"{root}/studies/{uid(1)}", headers=prefer)
            asked = await client.post(
                f"{root}/studies/{uid(1)}/series/send-requests/2.25.7?destination=THIRD"
            )
            assert asked.status_code == 202, asked.text
            again = await client.post(
                f"{root}/studies/{uid(1)}/series/send-requests/2.25.7?destination=THIRD"
            )
            assert again.status_code == 409
        if mount == "PACS":
            assert answer.status_code == 202
        states = set()
        for url in [answer.headers["location"]] * 8 + [asked.headers["location"]] * 8:
            async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
                told = await client.get(url)
                states.add(told.status_code)
        assert states == {200}
        assert soon(lambda: len(third.taken) == 3)


def test_they_stop_as_one_and_a_second_house_is_refused(tmp_path: Path) -> None:
    with peers.hilum(tmp_path / "hilum", config()) as broker:
        second = peers.command("run", "--config", broker.config)
        assert second.returncode == 1
        assert "another process uses the archive's folder" in second.stdout
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "config.toml").write_text(config(broker.port))
        second = peers.command("run", "--config", elsewhere / "config.toml")
        assert second.returncode == 1
        assert "dimse.port: cannot listen at 127.0.0.1 port" in second.stdout
        assert len(workers(broker)) == 2
        both = workers(broker)
        assert broker.stop() == 0
        assert not any(Path(f"/proc/{each}").exists() for each in both)


def test_workers_end_when_who_started_them_was_killed(tmp_path: Path) -> None:
    with peers.hilum(tmp_path / "hilum", config()) as broker:
        both = workers(broker)
        broker.process.kill()
        assert soon(lambda: not any(Path(f"/proc/{each}").exists() for each in both))
    with peers.hilum(tmp_path / "hilum", config(workers=1)) as broker:
        assert count(broker) == 0
