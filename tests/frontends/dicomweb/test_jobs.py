from pathlib import Path

import pytest
from tests.backends.cache.far import Far, folders, until
from tests.contract.made import made
from tests.frontends.dicomweb.test_waiting import ROOT, STUDY, linked, served

pytestmark = pytest.mark.anyio


@pytest.fixture
async def far() -> Far:
    far = Far(before=1)
    await far.keep(made(1, 1, 1), made(1, 1, 2))
    return far


async def test_giving_up_ends_the_retrieval(far: Far, tmp_path: Path) -> None:
    async with served(far, tmp_path, "job") as client:
        job = linked(await client.get(STUDY))
        await until(lambda: far.opened == 1)
        answer = await client.delete(job)
        assert (answer.status_code, answer.content) == (204, b"")
        await until(lambda: far.closed == 1 and folders(tmp_path) == [])
        assert (await client.get(job)).status_code == 404
        assert (await client.delete(job)).status_code == 404


async def test_an_unknown_one_is_404(far: Far, tmp_path: Path) -> None:
    async with served(far, tmp_path) as client:
        for path in (f"{ROOT}/jobs/none", "/aets/NONE/jobs/none", "/dicomweb/jobs/none"):
            assert (await client.get(path)).status_code == 404
            assert (await client.delete(path)).status_code == 404
        assert (await client.post(f"{ROOT}/jobs/none")).status_code == 405


async def test_a_status_is_not_to_be_kept_by_proxies(far: Far, tmp_path: Path) -> None:
    async with served(far, tmp_path, "job") as client:
        answer = await client.get(linked(await client.get(STUDY)))
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
