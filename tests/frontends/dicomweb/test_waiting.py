import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.backends.cache.far import Far, datasets, folders, kept, until
from tests.contract.made import Made, made, uid
from tests.frontends.dicomweb.test_wado import parts_of

from hilum.backends.cache import Straight
from hilum.codec import part10
from hilum.config.schema import HttpSettings
from hilum.core.backend import Retrieval
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.frontends.dicomweb import held
from hilum.frontends.dicomweb.app import application
from hilum.model.errors import BackendTimeout, Incomplete
from hilum.model.identity import Ref
from hilum.model.instance import CHUNK, Listed
from hilum.net.http import serve

pytestmark = pytest.mark.anyio

ROOT = "/aets/PACS"
STUDY = f"{ROOT}/studies/{uid(1)}"
SERIES = f"{STUDY}/series/{uid(1, 1)}"
ASYNC = {"Prefer": "respond-async, wait=10"}


def house() -> list[Made]:
    return [made(1, 1, each) for each in (1, 2, 3)]


@pytest.fixture
async def far() -> Far:
    far = Far(before=1)
    await far.keep(*house())
    return far


@asynccontextmanager
async def client_of(mount: Mount) -> AsyncIterator[httpx.AsyncClient]:
    options = HttpSettings(port=0, graceful_shutdown=2.0)
    app = application(Broker(Mounts({"PACS": mount}, None)), options)
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(
            serve(app, options, started=lambda _, bound: port.set_result(bound), stop=stop)
        )
        try:
            url = f"http://127.0.0.1:{await port}"
            async with httpx.AsyncClient(base_url=url, timeout=20) as client:
                yield client
        finally:
            stop.set()


@asynccontextmanager
async def served(
    far: Far, folder: Path, wait: str = "stream", **said: Any
) -> AsyncIterator[httpx.AsyncClient]:
    async with kept(far, folder, wait=wait, **said) as backend:
        mount = Mount(
            name="PACS",
            backend="far",
            retrieves=backend,
            fetches=backend,
            describes=far.memory,
            describes_moves=True,
            wait=wait,
            retry_after=2.5,
        )
        async with client_of(mount) as client:
            yield client


def given(answer: httpx.Response) -> dict[str, bytes]:
    """Data sets by SOP Instance UID."""
    found: dict[str, bytes] = {}
    for _, part in parts_of(answer):
        head = part10.read_head(part, complete=True)
        assert head is not None
        found[head.sop_instance_uid] = part[head.offset :]
    return found


def local(url: str) -> str:
    return urlsplit(url).path


def linked(answer: httpx.Response) -> str:
    url = answer.links["status"]["url"]
    return local(url)


async def ended(client: httpx.AsyncClient, job: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while (said := (await client.get(job)).json())["state"] == "running":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return dict(said)


async def test_come_again_until_all_is_here(far: Far, tmp_path: Path) -> None:
    async with served(far, tmp_path, "retry_after") as client:
        answer = await client.get(STUDY)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
        assert answer.json()["state"] == "running"
        assert "come again" in answer.json()["error"]
        assert (await client.get(STUDY)).status_code == 503
        assert (await client.get(STUDY + "/metadata")).status_code == 503
        assert (await client.get(SERIES)).status_code == 503
        far.gate.set()
        await ended(client, linked(answer))
        answer = await client.get(STUDY)
        assert (answer.status_code, given(answer)) == (200, datasets(*house()))
        assert "warning" not in answer.headers
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert given(await client.get(SERIES)) == datasets(*house())
        described = await client.get(STUDY + "/metadata")
        assert (described.status_code, len(described.json())) == (200, 3)
    assert len(far.asked) == 1
    assert folders(tmp_path) == []


@pytest.mark.parametrize(("wait", "headers"), [("job", {}), ("stream", ASYNC)])
async def test_a_job_tells_how_far_it_is(
    far: Far, tmp_path: Path, wait: str, headers: dict[str, str]
) -> None:
    async with served(far, tmp_path, wait) as client:
        answer = await client.get(STUDY, headers=headers)
        assert answer.status_code == 202
        assert answer.headers.get("preference-applied") == ("respond-async" if headers else None)
        job = local(answer.headers["location"])
        assert answer.headers["content-location"] == answer.headers["location"]
        assert job.startswith(f"{ROOT}/jobs/")
        await until(lambda: len(far.given) == 2)
        status = await client.get(job)
        said = status.json()
        assert (status.status_code, status.headers["retry-after"]) == (200, "3")
        assert (said["state"], said["expected"], said["arrived"]) == ("running", 3, 1)
        again = await client.get(STUDY, headers=headers)
        assert (again.status_code, again.headers["location"]) == (202, answer.headers["location"])
        far.gate.set()
        said = await ended(client, job)
        assert said["state"] == "complete"
        assert (said["expected"], said["arrived"], said["missing"]) == (3, 3, [])
        assert "retry-after" not in (await client.get(job)).headers
        result = await client.get(local(said["result"]), headers=headers)
        assert (result.status_code, given(result)) == (200, datasets(*house()))
    assert len(far.asked) == 1


@pytest.mark.parametrize("wait", ["retry_after", "job"])
async def test_what_is_missing_after_all_is_told(far: Far, tmp_path: Path, wait: str) -> None:
    far.loses = {uid(1, 1, 2): 99}
    far.gate.set()
    async with served(far, tmp_path, wait, max_retries=1) as client:
        job = linked(await client.get(STUDY))
        said = await ended(client, job)
        assert (said["state"], said["status"], said["attempts"]) == ("incomplete", 206, 2)
        assert said["missing"] == [uid(1, 1, 2)]
        for path in (STUDY, SERIES):
            answer = await client.get(path)
            if answer.status_code in {202, 503}:
                answer = await client.get(path)
            assert answer.status_code == 206
            assert sorted(given(answer)) == [uid(1, 1, 1), uid(1, 1, 3)]
            assert "1 of 3 instances could not be retrieved" in answer.headers["warning"]
            linked_to = (await client.get(linked(answer))).json()
            assert linked_to["missing"] == [uid(1, 1, 2)]
    assert len(far.asked) == 2


async def test_a_failure_is_told_once_and_then_tried_again(far: Far, tmp_path: Path) -> None:
    far.refuses = [BackendTimeout("no answer")]
    far.gate.set()
    async with served(far, tmp_path, "retry_after", max_retries=0) as client:
        job = linked(await client.get(STUDY))
        await until(lambda: len(far.asked) == 1)
        answer = await client.get(STUDY)
        assert (answer.status_code, answer.json()) == (504, {"error": "no answer"})
        said = (await client.get(job)).json()
        assert (said["state"], said["status"], said["error"]) == ("failed", 504, "no answer")
        answer = await client.get(STUDY)
        assert answer.status_code == 503
        await ended(client, linked(answer))
        assert (await client.get(STUDY)).status_code == 200


@pytest.mark.parametrize(
    ("wait", "headers", "status"), [("retry_after", {}, 503), ("job", {}, 202), ("job", ASYNC, 202)]
)
async def test_nothing_there_is_404(
    far: Far, tmp_path: Path, wait: str, headers: dict[str, str], status: int
) -> None:
    far.gate.set()
    async with served(far, tmp_path, wait) as client:
        answer = await client.get(f"{ROOT}/studies/9.9", headers=headers)
        assert answer.status_code == status
        assert (await ended(client, linked(answer)))["status"] == 404
        far.asked.clear()
    async with served(far, tmp_path, "retry_after") as client:
        answer = await client.get(f"{ROOT}/studies/9.9")
        await until(lambda: len(far.asked) == 1)
        await asyncio.sleep(0.05)
        assert (await client.get(f"{ROOT}/studies/9.9")).status_code == 404


async def test_head_waits_like_get(far: Far, tmp_path: Path) -> None:
    async with served(far, tmp_path, "retry_after") as client:
        head = await client.head(STUDY)
        assert (head.status_code, head.content) == (503, b"")
        far.gate.set()
        await ended(client, linked(head))
        assert (await client.head(STUDY)).status_code == 200


async def test_what_the_client_does_not_take_is_not_fetched(far: Far, tmp_path: Path) -> None:
    async with served(far, tmp_path, "job") as client:
        assert (await client.get(STUDY, headers={"Accept": "image/png"})).status_code == 406
    assert far.asked == []


async def test_without_a_spool_a_client_may_prefer_a_job_too(far: Far, tmp_path: Path) -> None:
    far.gate.set()
    async with served(far, tmp_path, spool=False) as client:
        job = linked(await client.get(STUDY, headers=ASYNC))
        await ended(client, job)
        assert given(await client.get(STUDY, headers=ASYNC)) == datasets(*house())
    assert len(far.asked) == 1


async def test_where_all_is_here_a_job_is_done_at_once(far: Far) -> None:
    mount = Mount(name="PACS", backend="memory", retrieves=far.memory, fetches=Straight(far.memory))
    async with client_of(mount) as client:
        answer = await client.get(STUDY, headers=ASYNC)
        assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
        said = (await client.get(linked(answer))).json()
        assert (said["state"], said["expected"]) == ("complete", 3)
        answer = await client.get(STUDY, headers=ASYNC)
        assert (answer.status_code, given(answer)) == (200, datasets(*house()))
        assert (await client.get(STUDY)).status_code == 200
        assert (await client.get(f"{ROOT}/studies/9.9", headers=ASYNC)).status_code == 404


async def test_a_mount_that_fetches_nothing_answers_at_once(far: Far) -> None:
    mount = Mount(name="PACS", backend="memory", retrieves=far.memory)
    async with client_of(mount) as client:
        answer = await client.get(STUDY, headers=ASYNC)
        assert (answer.status_code, "preference-applied" in answer.headers) == (200, False)
        assert (await client.get(f"{ROOT}/jobs/1")).status_code == 404


class Short:
    """Gives some and says what is missing; the first instance is of any size."""

    def __init__(self, far: Far, missing: Sequence[str], count: int = 0) -> None:
        self._far = far
        self._error = Incomplete("the PACS gave up", tuple(missing), count)

    @asynccontextmanager
    async def retrieve(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        async with self._far.memory.retrieve(refs) as retrieval:

            async def instances() -> AsyncIterator[Any]:
                async for each in retrieval.instances:
                    if each.sop_instance_uid not in self._error.missing:
                        yield each
                raise self._error

            manifest = None if not self._error.missing else unsized(retrieval)
            yield Retrieval(manifest, instances())


def unsized(retrieval: Retrieval) -> list[Listed]:
    """What there is, without its sizes, which no PACS tells."""
    return [replace(each, size=None) for each in retrieval.manifest or ()]


class Unsized(Short):
    """Gives all, and does not know how long it is."""

    def __init__(self, far: Far) -> None:
        super().__init__(far, ())

    @asynccontextmanager
    async def retrieve(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        async with self._far.memory.retrieve(refs) as retrieval:
            yield Retrieval(unsized(retrieval), retrieval.instances)


async def test_a_short_answer_tells_what_is_missing_in_its_status(far: Far) -> None:
    missing = [uid(1, 1, 1), uid(1, 1, 3)]
    mount = Mount(name="PACS", backend="short", retrieves=Short(far, missing))
    async with client_of(mount) as client:
        answer = await client.get(STUDY)
        assert answer.status_code == 206
        assert list(given(answer)) == [uid(1, 1, 2)]
        assert "2 of 3 instances could not be retrieved" in answer.headers["warning"]
        said = (await client.get(linked(answer))).json()
        assert (said["state"], said["missing"]) == ("incomplete", missing)
        assert (said["expected"], said["arrived"]) == (3, 1)
        assert local(said["result"]) == STUDY
        assert (await client.delete(linked(answer))).status_code == 204
        assert (await client.get(linked(answer))).status_code == 404


async def test_a_short_answer_may_know_only_how_many_are_missing(far: Far) -> None:
    mount = Mount(name="PACS", backend="short", retrieves=Short(far, [], 4))
    async with client_of(mount) as client:
        answer = await client.get(STUDY)
        assert (answer.status_code, len(given(answer))) == (206, 3)
        assert "4 instances could not be retrieved" in answer.headers["warning"]


async def test_when_nothing_at_all_came_it_failed(far: Far) -> None:
    missing = [uid(1, 1, each) for each in (1, 2, 3)]
    mount = Mount(name="PACS", backend="short", retrieves=Short(far, missing))
    async with client_of(mount) as client:
        answer = await client.get(STUDY)
        assert (answer.status_code, answer.json()) == (502, {"error": "the PACS gave up"})


async def test_a_long_answer_that_comes_up_short_is_cut_off(far: Far) -> None:
    await far.keep(made(2, 1, 1, PixelData=bytes(held.HOLD + CHUNK)), made(2, 1, 2))
    mount = Mount(name="PACS", backend="short", retrieves=Short(far, [uid(2, 1, 2)]))
    url = f"{ROOT}/studies/{uid(2)}"
    async with client_of(mount) as client:
        async with client.stream("GET", url) as answer:
            assert answer.status_code == 200
            assert (await client.get(linked(answer))).json()["expected"] == 2
            with pytest.raises(httpx.RemoteProtocolError):
                await answer.aread()
        said = (await client.get(linked(answer))).json()
        assert (said["state"], said["status"]) == ("incomplete", 206)
        assert (said["missing"], said["expected"], said["arrived"]) == ([uid(2, 1, 2)], 2, 1)


async def test_a_long_answer_tells_afterwards_that_it_was_whole(far: Far) -> None:
    await far.keep(made(2, 1, 1, PixelData=bytes(held.HOLD + CHUNK)))
    retrieves = Unsized(far)
    mount = Mount(name="PACS", backend="unsized", retrieves=retrieves)
    async with client_of(mount) as client:
        answer = await client.get(f"{ROOT}/studies/{uid(2)}")
        assert (answer.status_code, len(given(answer))) == (200, 1)
        said = (await client.get(linked(answer))).json()
        assert (said["state"], said["missing"], said["arrived"]) == ("complete", [], 1)
        assert not (await client.head(f"{ROOT}/studies/{uid(2)}")).links


async def test_the_beginning_does_not_wait_for_ever(
    far: Far, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(held, "PATIENCE", 0.0)
    async with served(far, tmp_path) as client, client.stream("GET", STUDY) as answer:
        assert answer.status_code == 200
        assert await anext(answer.aiter_bytes())
        assert not far.gate.is_set()
        far.gate.set()
