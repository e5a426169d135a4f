import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pydicom
import pytest
from pydicom.dataset import Dataset
from tests import peers
from tests.contract import made
from tests.contract.made import Made, uid
from tests.frontends.dicomweb.sending import MOUNT, mount, service, sink

from hilum.backends.archive import Archive, open_archive
from hilum.backends.memory import Memory
from hilum.cli.intake.web import WebStores
from hilum.codec import send_status
from hilum.config.mounts import ArchiveMount
from hilum.core.backend import Found, Retrieval, Stores, StoreSession
from hilum.core.operations import Operation, Originator, Send
from hilum.frontends.dicomweb import send as module
from hilum.model.errors import BackendUnavailable, Forbidden
from hilum.model.identity import Ref
from hilum.model.instance import Instance
from hilum.model.outcome import Stored
from hilum.model.query import Query
from hilum.model.sending import Sending, State

pytestmark = pytest.mark.anyio
NAMES = [(study, series, instance) for study in (1, 2) for series in (1, 2) for instance in (1, 2)]
UID = "1.2.3.4"


async def fill(stores: Stores, instances: Sequence[Made]) -> None:
    async with stores.open() as session:
        for each in instances:
            assert (await session.store(each.instance())).failure is None


def archive(folder: Path, name: str) -> object:
    return open_archive(ArchiveMount(durability="relaxed"), folder / name, name)


@asynccontextmanager
async def filled() -> AsyncIterator[Memory]:
    memory = Memory()
    await fill(memory, [made.made(*each) for each in NAMES])
    yield memory


def path(resource: str, transaction: str = UID) -> str:
    return f"/dicomweb/{resource}/send-requests/{transaction}"


def told(answer: httpx.Response) -> Sending:
    assert answer.headers["content-type"] == "application/dicom+json"
    attributes = answer.json()
    assert attributes["00081195"] == {"vr": "UI", "Value": [UID]}
    Dataset.from_json(attributes)
    return send_status.parse(attributes)


async def end(client: httpx.AsyncClient, url: str) -> Sending:
    async with asyncio.timeout(60):
        while True:
            answer = await client.get(url)
            assert answer.status_code == 200, answer.text
            sending = told(answer)
            assert ("retry-after" in answer.headers) != sending.state.is_final
            if sending.state.is_final:
                return sending
            await asyncio.sleep(0.02)


def kept(memory: Memory) -> set[str]:
    return set(memory._kept)


@pytest.mark.parametrize(
    ("resource", "keys", "chosen"),
    [
        ("studies", {"PatientID": "P1"}, lambda study, *_: study == 1),
        ("studies", {"StudyInstanceUID": f"{uid(1)},{uid(2)}"}, lambda *_: True),
        ("series", {"SeriesInstanceUID": uid(2, 1)}, lambda *key: key[:2] == (2, 1)),
        ("instances", {"SOPInstanceUID": uid(2, 1, 2)}, lambda *key: key == (2, 1, 2)),
        ("instances", {"00200013": "2", "PatientName": "d*"}, lambda *key: key[2] == 2),
        (f"studies/{uid(1)}/series", {}, lambda study, *_: study == 1),
        (f"studies/{uid(1)}/series", {"SeriesNumber": "2"}, lambda *key: key[:2] == (1, 2)),
        (f"studies/{uid(2)}/instances", {"InstanceNumber": "1"}, lambda s, _, i: (s, i) == (2, 1)),
        (f"studies/{uid(2)}/series/{uid(2, 2)}/instances", {}, lambda *key: key[:2] == (2, 2)),
        (
            f"studies/{uid(2)}/series/{uid(2, 2)}/instances",
            {"InstanceNumber": "1"},
            lambda *key: key == (2, 2, 1),
        ),
    ],
)
async def test_what_matches_is_sent_and_nothing_else(
    tmp_path: Path, resource: str, keys: dict[str, str], chosen: object
) -> None:
    assert callable(chosen)
    expected = {uid(*each) for each in NAMES if chosen(*each)}
    there = Memory()
    async with (
        filled() as here,
        service({MOUNT: mount(MOUNT, here), "TWO": mount("TWO", there)}, tmp_path) as served,
    ):
        url = path(resource)
        answer = await served.client.post(url, params={"destination": "TWO", **keys})
        assert answer.status_code == 202, answer.text
        assert answer.headers["content-location"] == served.root + url
        assert answer.headers["retry-after"] == str(module.RETRY_AFTER)
        assert told(answer).state is State.WAITING
        sending = await end(served.client, url)
        assert sending == Sending(
            state=State.ENDED, remaining=0, completed=len(expected), failed=0, warning=0
        )
        assert kept(there) == expected
        by_name = url.replace("/dicomweb", f"/aets/{MOUNT}")
        assert told(await served.client.get(by_name)) == sending
        assert (await served.client.head(url)).status_code == 200


@pytest.mark.parametrize(
    ("resource", "query", "says"),
    [
        ("studies", "", "destination"),
        ("studies", "destination=", "destination"),
        ("studies", "destination=TWO&destination=ONE", "destination"),
        ("studies", "destination=TWO", "choose what to send"),
        ("series", "destination=TWO&PatientName=*", "choose what to send"),
        ("instances", "destination=TWO&StudyDate=-", ""),
        ("instances", "destination=TWO&StudyInstanceUID=*", "choose what to send"),
        ("studies", "destination=TWO&PatientID=", "no value"),
        ("studies", "destination=TWO&PatientID=P1&AccessionNumber=", "no value"),
        ("studies", "destination=TWO&PatientId5=P1", "did you mean"),
        ("studies", "destination=TWO&PatientID=P1&limit=1", "limit"),
        ("studies", "destination=TWO&PatientID=P1&offset=1", "offset"),
        ("studies", "destination=TWO&PatientID=P1&includefield=all", "includefield"),
        ("studies", "destination=TWO&PatientID=P1&emptyvaluematching=true", "not supported"),
        ("studies/1.2.x/series", "destination=TWO", "no UID"),
        (f"studies/{uid(1)}/series", f"destination=TWO&StudyInstanceUID={uid(2)}", "contradicts"),
    ],
)
async def test_what_is_malformed_or_chooses_nothing_is_refused(
    tmp_path: Path, resource: str, query: str, says: str
) -> None:
    there = Memory()
    async with (
        filled() as here,
        service({MOUNT: mount(MOUNT, here), "TWO": mount("TWO", there)}, tmp_path) as served,
    ):
        answer = await served.client.post(f"{path(resource)}?{query}")
        assert answer.status_code == 400, answer.text
        assert says in answer.json()["error"]
        if says != "no UID":
            assert (await served.client.get(path(resource))).status_code == 404
    assert not kept(there)


async def test_a_transaction_uid_must_be_one_and_a_payload_means_nothing(tmp_path: Path) -> None:
    async with filled() as here, service({MOUNT: mount(MOUNT, here)}, tmp_path) as served:
        for name in ("1.2.three", "1." * 40 + "1", "x"):
            url = path("studies", name) + "?destination=ONE&PatientID=P1"
            assert (await served.client.post(url)).status_code == 400
            assert (await served.client.get(url)).status_code == 400
        url = path("studies") + "?destination=ONE&PatientID=P1"
        answer = await served.client.post(url, json={"username": "x", "password": "y"})
        assert answer.status_code == 415
        answer = await served.client.post(url, headers={"Accept": "text/plain"})
        assert answer.status_code == 406
        answer = await served.client.post(url, headers={"Accept": "application/json"})
        assert (answer.status_code, answer.headers["content-type"]) == (202, "application/json")


async def test_what_is_not_there_is_404(tmp_path: Path) -> None:
    async with filled() as here, service({MOUNT: mount(MOUNT, here)}, tmp_path) as served:
        post, get = served.client.post, served.client.get
        answer = await post(path("studies") + "?destination=NOBODY&PatientID=P1")
        assert (answer.status_code, "destination" in answer.text) == (404, False)
        assert "AE title" in answer.text
        nothing = [
            path("studies") + "?destination=ONE&PatientID=P9",
            path("studies/9.9/series") + "?destination=ONE",
            path(f"studies/{uid(1)}/series/9.9/instances") + "?destination=ONE",
            path("studies").replace("dicomweb", "aets/NO") + "?destination=ONE&PatientID=P1",
        ]
        for url in nothing:
            assert (await post(url)).status_code == 404, url
            assert (await get(url)).status_code == 404
            assert (await served.client.delete(url)).status_code == 404


async def test_a_uid_is_used_once_for_the_whole_service(tmp_path: Path) -> None:
    async with (
        filled() as here,
        service({MOUNT: mount(MOUNT, here), "TWO": mount("TWO", Memory())}, tmp_path) as served,
    ):
        url = path("studies") + "?destination=TWO&PatientID=P1"
        answers = await asyncio.gather(*(served.client.post(url) for _ in range(4)))
        assert sorted(each.status_code for each in answers) == [202, 409, 409, 409]
        await end(served.client, path("studies"))
        assert (await served.client.post(url)).status_code == 409
        other = url.replace("/dicomweb/studies", "/aets/TWO/series")
        assert (await served.client.post(other)).status_code == 409
        # The status is where it was asked for, and nowhere else.
        for elsewhere in (path("series"), path("studies").replace("dicomweb", "aets/TWO")):
            assert (await served.client.get(elsewhere)).status_code == 404


async def test_archives_send_to_each_other(tmp_path: Path) -> None:
    async with archive(tmp_path, "A") as one, archive(tmp_path, "B") as two:
        assert isinstance(one, Archive)
        assert isinstance(two, Archive)
        await fill(one, [made.made(*each) for each in NAMES])
        mounts = {MOUNT: mount(MOUNT, one), "TWO": mount("TWO", two)}
        async with service(mounts, tmp_path / "state") as served:
            url = path("studies")
            await served.client.post(url, params={"destination": "TWO", "PatientID": "P2"})
            sending = await end(served.client, url)
            assert (sending.state, sending.completed) == (State.ENDED, 4)
            found = await served.client.get("/aets/TWO/instances?includefield=SOPInstanceUID")
            uids = {each["00080018"]["Value"][0] for each in found.json()}
            assert uids == {uid(*each) for each in NAMES if each[0] == 2}


async def test_an_archive_sends_to_a_peer(tmp_path: Path) -> None:
    with peers.storescp(tmp_path / "scp", aet="SINK") as peer:
        async with (
            filled() as here,
            service(
                {MOUNT: mount(MOUNT, here)}, tmp_path / "state", {"SINK": sink(peer.port)}
            ) as served,
        ):
            url = path(f"studies/{uid(1)}/series")
            await served.client.post(url, params={"destination": "SINK"})
            sending = await end(served.client, url)
        assert (sending.state, sending.completed) == (State.ENDED, 4)
        got = {str(pydicom.dcmread(file).SOPInstanceUID) for file in peer.files()}
        assert got == {uid(*each) for each in NAMES if each[0] == 1}


async def test_a_second_service_is_reached_by_stow_rs(tmp_path: Path) -> None:
    there = Memory()
    async with (
        filled() as here,
        service({"FAR": mount("FAR", there)}, tmp_path / "far") as far,
        service(
            {MOUNT: mount(MOUNT, here)},
            tmp_path / "near",
            {"cloud": WebStores(f"{far.root}/aets/FAR")},
        ) as served,
    ):
        url = path("studies")
        await served.client.post(url, params={"destination": "cloud", "PatientID": "P1"})
        sending = await end(served.client, url)
        assert (sending.state, sending.completed) == (State.ENDED, 4)
        assert kept(there) == {uid(*each) for each in NAMES if each[0] == 1}


async def test_what_fails_is_named_with_its_class_and_reason(tmp_path: Path) -> None:
    there = Memory()
    await fill(there, [made.made(1, 2, 1, PatientName="Other^One")])
    async with (
        filled() as here,
        service({MOUNT: mount(MOUNT, here), "TWO": mount("TWO", there)}, tmp_path) as served,
    ):
        url = path("studies")
        await served.client.post(url, params={"destination": "TWO", "PatientID": "P1"})
        sending = await end(served.client, url)
        assert (sending.state, sending.completed, sending.failed) == (State.ENDED, 3, 1)
        (failure,) = sending.failures
        assert (failure.sop_instance_uid, failure.sop_class_uid) == (uid(1, 2, 1), made.CT)
        assert failure.reason == 0x0111
        assert "another data set" in failure.comment
        (item,) = Dataset.from_json((await served.client.get(url)).json()).FailedSOPSequence
        assert item.ReferencedSOPInstanceUID == uid(1, 2, 1)
        assert item.FailureReason == 0x0111


async def test_when_nobody_listens_all_of_it_failed_and_is_named(tmp_path: Path) -> None:
    destinations = {"SINK": sink(peers.free_port())}
    async with (
        filled() as here,
        service({MOUNT: mount(MOUNT, here)}, tmp_path, destinations) as served,
    ):
        url = path("studies")
        await served.client.post(url, params={"destination": "SINK", "PatientID": "P1"})
        sending = await end(served.client, url)
    assert (sending.state, sending.failed, sending.remaining) == (State.FAILED, 4, 0)
    assert {each.sop_instance_uid for each in sending.failures} == {
        uid(*each) for each in NAMES if each[0] == 1
    }
    assert {each.reason for each in sending.failures} == {0xA700}
    assert sending.comment


class Slow:
    """Takes one instance, then waits for `go`; says how many sessions are open."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.taken: list[str] = []
        self.open_now = 0

    @asynccontextmanager
    async def open(
        self,
        _contexts: Sequence[tuple[str, str]] = (),
        _originator: Originator | None = None,
        /,
    ) -> AsyncIterator[StoreSession]:
        self.open_now += 1
        try:
            yield self
        finally:
            self.open_now -= 1

    async def store(self, instance: Instance, /) -> Stored:
        if self.taken:
            await self.go.wait()
        self.taken.append(instance.sop_instance_uid)
        return Stored(
            sop_class_uid=instance.sop_class_uid, sop_instance_uid=instance.sop_instance_uid
        )


async def until(client: httpx.AsyncClient, url: str, completed: int) -> Sending:
    async with asyncio.timeout(20):
        while (sending := told(await client.get(url))).completed < completed:  # noqa: ASYNC110 - elsewhere
            await asyncio.sleep(0.02)
    return sending


async def test_progress_is_told_and_a_send_can_be_given_up(tmp_path: Path) -> None:
    slow = Slow()
    async with (
        filled() as here,
        service({MOUNT: mount(MOUNT, here)}, tmp_path, {"SLOW": slow}) as served,
    ):
        url = path("studies")
        await served.client.post(url, params={"destination": "SLOW", "PatientID": "P1"})
        sending = await until(served.client, url, 1)
        assert (sending.state, sending.remaining) == (State.RUNNING, 3)
        answer = await served.client.delete(url)
        assert answer.status_code == 200
        sending = told(answer)
        assert (sending.state, sending.completed, sending.remaining) == (State.STOPPED, 1, 3)
        assert slow.open_now == 0
        assert told(await served.client.get(url)) == sending
        assert (await served.client.delete(url)).status_code == 409
        again = await served.client.post(url, params={"destination": "SLOW", "PatientID": "P1"})
        assert again.status_code == 409


async def test_only_some_run_at_once_and_the_others_wait_in_order(tmp_path: Path) -> None:
    slow = Slow()
    async with (
        filled() as here,
        service({MOUNT: mount(MOUNT, here)}, tmp_path, {"SLOW": slow}, at_once=1) as served,
    ):
        for number, name in enumerate(NAMES[:4]):
            url = path("instances", f"1.2.{number}")
            keys = {"destination": "SLOW", "SOPInstanceUID": uid(*name)}
            assert (await served.client.post(url, params=keys)).status_code == 202
        async with asyncio.timeout(20):
            while not slow.taken:  # noqa: ASYNC110 - it happens elsewhere
                await asyncio.sleep(0.01)
        assert slow.open_now == 1
        waiting = (await served.sends.status("1.2.2")).sending.state
        assert waiting is State.WAITING
        stopped = await served.client.delete(path("instances", "1.2.2"))
        assert stopped.status_code == 200
        slow.go.set()
        async with asyncio.timeout(20):
            while not (await served.sends.status("1.2.3")).sending.state.is_final:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
    assert slow.taken == [uid(*NAMES[0]), uid(*NAMES[1]), uid(*NAMES[3])]


async def test_who_may_not_send_may_not_and_learns_nothing(tmp_path: Path) -> None:
    allowed = True

    def authorise(operation: Operation) -> None:
        if isinstance(operation, Send) and not allowed:
            raise Forbidden("you may not send")

    async with (
        filled() as here,
        service(
            {MOUNT: mount(MOUNT, here), "TWO": mount("TWO", Memory())},
            tmp_path,
            authorise=authorise,
        ) as served,
    ):
        url = path("studies")
        keys = {"destination": "TWO", "PatientID": "P1"}
        await served.client.post(url, params=keys)
        await end(served.client, url)
        allowed = False
        assert (await served.client.get(url)).status_code == 403
        assert (await served.client.delete(url)).status_code == 403
        assert (await served.client.post(path("studies", "1.9"), params=keys)).status_code == 403


class Uncertain(Memory):
    """Its answer is not what was asked for, and says so."""

    @asynccontextmanager
    async def find(self, query: Query, /) -> AsyncIterator[Found]:
        async with super().find(query) as found:
            yield Found(found, ["a key was not honoured"])


async def test_what_matches_for_uncertain_is_not_sent(tmp_path: Path) -> None:
    here, there = Uncertain(), Memory()
    await fill(here, [made.made(*each) for each in NAMES])
    mounts = {MOUNT: mount(MOUNT, here), "TWO": mount("TWO", there)}
    async with service(mounts, tmp_path) as served:
        keys = {"destination": "TWO", "PatientID": "P1"}
        answer = await served.client.post(path("studies"), params=keys)
        assert (answer.status_code, "not honoured" in answer.text) == (400, True)
    assert not kept(there)


async def test_too_much_is_refused_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_MATCHES", 3)
    there = Memory()
    async with (
        filled() as here,
        service({MOUNT: mount(MOUNT, here), "TWO": mount("TWO", there)}, tmp_path) as served,
    ):
        keys = {"destination": "TWO", "PatientID": "P1"}
        assert (await served.client.post(path("instances"), params=keys)).status_code == 413
        keys["InstanceNumber"] = "1"
        assert (await served.client.post(path("instances"), params=keys)).status_code == 202


class Breaking(Memory):
    """Gives two instances, then fails."""

    @asynccontextmanager
    async def retrieve(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        async with super().retrieve(refs) as retrieval:

            async def some() -> AsyncIterator[Instance]:
                number = 0
                async for each in retrieval.instances:
                    number += 1
                    if number > 2:
                        raise BackendUnavailable("the peer went away")
                    yield each

            yield Retrieval(retrieval.manifest, some())


async def test_a_source_that_breaks_off_leaves_the_others_failed_by_name(tmp_path: Path) -> None:
    here, there = Breaking(), Memory()
    await fill(here, [made.made(*each) for each in NAMES])
    mounts = {MOUNT: mount(MOUNT, here), "TWO": mount("TWO", there)}
    async with service(mounts, tmp_path) as served:
        url = path("studies")
        await served.client.post(url, params={"destination": "TWO", "PatientID": "P1"})
        sending = await end(served.client, url)
    assert (sending.state, sending.completed, sending.failed) == (State.ENDED, 2, 2)
    names = {each.sop_instance_uid for each in sending.failures}
    assert names | kept(there) == {uid(*each) for each in NAMES if each[0] == 1}
    assert {each.sop_class_uid for each in sending.failures} == {made.CT}
    assert sending.comment == "the peer went away"


async def test_where_nothing_runs_in_the_background_it_is_not_offered(served: object) -> None:
    assert callable(served)
    async with served(Memory()) as client:
        answer = await client.post(path("studies") + "?destination=ONE&PatientID=P1")
        assert answer.status_code == 501


async def test_a_send_survives_the_death_of_the_process(tmp_path: Path) -> None:
    """SIGKILL in the middle; the next process takes it up and ends it complete."""
    instances = [made.made(1, 1, number) for number in range(1, 9)]
    folder = tmp_path / "service"
    async with open_archive(ArchiveMount(), folder / "archive", MOUNT) as here:
        await fill(here, instances)
    port = peers.free_port()
    with peers.storescp(tmp_path / "scp", aet="SINK", options=["--sleep-after", "1"]) as peer:
        command = [sys.executable, "-m", "tests.frontends.dicomweb.sending"]
        command += [str(folder), str(port), str(peer.port)]
        root = Path(__file__).parents[3]
        env = {"PYTHONPATH": f"{root / 'src'}:{root}"}
        url = f"http://127.0.0.1:{port}" + path("studies")

        def ready(process: peers.Peer) -> bool:
            return "READY" in process.said

        def start(folder: Path) -> object:
            return peers.running(
                command, aet="HILUM", port=port, folder=folder, ready=ready, env=env
            )

        with start(tmp_path / "first") as process:
            assert isinstance(process, peers.Peer)
            async with httpx.AsyncClient(timeout=20) as client:
                keys = {"destination": "SINK", "PatientID": "P1"}
                answer = await client.post(url, params=keys)
                assert answer.status_code == 202
                sending = await until(client, url, 2)
                assert sending.state is State.RUNNING
            process.kill()
        before = len(peer.files())
        assert 2 <= before < len(instances)
        with start(tmp_path / "second"):
            async with httpx.AsyncClient(timeout=20) as client:
                sending = await end(client, url)
                assert (sending.state, sending.completed) == (State.ENDED, len(instances))
                assert (await client.post(url, params=keys)).status_code == 409
        got = {str(pydicom.dcmread(file).SOPInstanceUID) for file in peer.files()}
        assert got == {each.sop_instance_uid for each in instances}
