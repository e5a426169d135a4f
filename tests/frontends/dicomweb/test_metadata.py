import asyncio
import gzip

import httpx
import pytest
from tests.frontends.dicomweb.backend import Scripted
from tests.frontends.dicomweb.conftest import Served, cut_off

from hilum.frontends.dicomweb import held
from hilum.model.errors import BackendFault, NotFound

pytestmark = pytest.mark.anyio

STUDY = "/dicomweb/studies/1.2/metadata"
SERIES = "/dicomweb/studies/1.2/series/1.3/metadata"
INSTANCE = "/dicomweb/studies/1.2/series/1.3/instances/1.9/metadata"


def objects(count: int, size: int = 10) -> list[bytes]:
    return [b'{"n":%d,"x":"%s"}' % (number, b"x" * size) for number in range(count)]


@pytest.mark.parametrize(("count", "size"), [(1, 10), (3, 10), (1, 100_000), (50, 10_000)])
@pytest.mark.parametrize("coding", ["identity", "gzip", "br, gzip;q=0.5", "gzip;q=0", "*"])
async def test_the_three_levels(
    served: Served, backend: Scripted, count: int, size: int, coding: str
) -> None:
    backend.objects = objects(count, size)
    zipped = coding in {"gzip", "br, gzip;q=0.5", "*"} and size > 10
    async with served(backend) as client:
        for path in (STUDY, SERIES, INSTANCE):
            answer = await client.get(path, headers={"Accept-Encoding": coding})
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/dicom+json"
            assert [each["n"] for each in answer.json()] == list(range(count))
            assert answer.headers.get("content-encoding") == ("gzip" if zipped else None)


async def test_gzip_is_smaller(served: Served, backend: Scripted) -> None:
    backend.objects = objects(50, 10_000)
    async with served(backend) as client:
        async with client.stream("GET", STUDY, headers={"Accept-Encoding": "gzip"}) as answer:
            raw = b"".join([chunk async for chunk in answer.aiter_raw()])
        assert len(raw) < 50_000
        assert gzip.decompress(raw).startswith(b'[{"n":0')


async def test_nothing_there_is_404(served: Served, backend: Scripted) -> None:
    async with served(backend) as client:
        assert (await client.get(STUDY)).status_code == 404
        backend.error = NotFound("no such instance")
        assert (await client.get(INSTANCE)).status_code == 404


async def test_other_media_types_are_406(served: Served, backend: Scripted) -> None:
    backend.objects = objects(1)
    async with served(backend) as client:
        headers = {"Accept": 'multipart/related; type="application/dicom+xml"'}
        assert (await client.get(STUDY, headers=headers)).status_code == 406
        headers = {"Accept": "application/json"}
        answer = await client.get(STUDY, headers=headers)
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_a_failure_midway_cuts_the_answer_off(
    served: Served, backend: Scripted, monkeypatch: pytest.MonkeyPatch, coding: str
) -> None:
    monkeypatch.setattr(held, "HOLD", 1)
    backend.objects = objects(3, 100_000)
    backend.late = BackendFault("broken")
    async with served(backend) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(STUDY, headers={"Accept-Encoding": coding})
        backend.objects = objects(3)
        answer = await client.get(STUDY, headers={"Accept-Encoding": coding})
        assert (answer.status_code, answer.json()) == (502, {"error": "broken"})


@pytest.mark.parametrize("after", [0, 100_000])
async def test_a_client_that_leaves_ends_the_description(
    served: Served, backend: Scripted, after: int
) -> None:
    backend.objects = objects(1000, 100_000)
    backend.pause = 0.5 if after == 0 else 0.01
    async with served(backend) as client:
        await cut_off(client, STUDY, after)
        async with asyncio.timeout(2):
            await backend.left.wait()
