import asyncio
import gzip

import httpx
import orjson
import pytest
from tests.frontends.dicomweb.backend import Scripted
from tests.frontends.dicomweb.conftest import Served, cut_off, xml_parts

from hilum.codec import dicom_xml
from hilum.frontends.dicomweb import bodies, held
from hilum.model.errors import BackendFault, Incomplete, NotFound

pytestmark = pytest.mark.anyio

STUDY = "/dicomweb/studies/1.2/metadata"
SERIES = "/dicomweb/studies/1.2/series/1.3/metadata"
INSTANCE = "/dicomweb/studies/1.2/series/1.3/instances/1.9/metadata"


def objects(count: int, size: int = 10) -> list[bytes]:
    return [b'{"n":%d,"x":"%s"}' % (number, b"x" * size) for number in range(count)]


@pytest.mark.parametrize(("count", "size"), [(1, 10), (3, 10), (1, 100_000), (50, 10_000)])
@pytest.mark.parametrize(
    "coding",
    ["identity", "gzip", "br, gzip;q=0.5", "gzip;q=0", "*", "gzip, zstd", "zstd;q=.1, gzip;q=0.2"],
)
async def test_the_three_levels(
    served: Served, backend: Scripted, count: int, size: int, coding: str
) -> None:
    backend.objects = objects(count, size)
    zipped = "zstd" if coding == "gzip, zstd" else "gzip"
    if size == 10 or coding in {"identity", "gzip;q=0"}:
        zipped = None
    async with served(backend) as client:
        for path in (STUDY, SERIES, INSTANCE):
            answer = await client.get(path, headers={"Accept-Encoding": coding})
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/dicom+json"
            assert [each["n"] for each in answer.json()] == list(range(count))
            assert answer.headers.get("content-encoding") == zipped


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


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        (STUDY, "text/html"),
        (STUDY, "application/dicom+xml"),
        (SERIES, 'multipart/related; type="application/dicom"'),
        (INSTANCE, "application/dicom+json;q=0, application/json;q=0"),
    ],
)
async def test_other_media_types_are_406(
    served: Served, backend: Scripted, path: str, accept: str
) -> None:
    backend.objects = objects(1)
    async with served(backend) as client:
        answer = await client.get(path, headers={"Accept": accept})
        assert answer.status_code == 406
        assert 'type="application/dicom+xml"' in answer.json()["error"]


async def test_json_has_two_names(served: Served, backend: Scripted) -> None:
    backend.objects = objects(1)
    async with served(backend) as client:
        answer = await client.get(STUDY, headers={"Accept": "application/json"})
        assert answer.headers["content-type"] == "application/json"


def described(count: int) -> list[bytes]:
    numbers = ({"00200013": {"vr": "IS", "Value": [number]}} for number in range(count))
    return [orjson.dumps(each) for each in numbers]


@pytest.mark.parametrize("coding", ["identity", "zstd"])
@pytest.mark.parametrize("count", [1, 3, 2000])
async def test_as_xml_each_instance_is_a_part(
    served: Served, backend: Scripted, count: int, coding: str
) -> None:
    backend.objects = described(count)
    headers = {"Accept": "multipart/related; type=application/dicom+xml", "Accept-Encoding": coding}
    async with served(backend) as client:
        parts = xml_parts(await client.get(SERIES, headers=headers))
        assert [each["00200013"]["Value"] for each in parts] == [[n] for n in range(count)]


async def test_one_instance_is_one_document_too(served: Served, backend: Scripted) -> None:
    backend.objects = described(1)
    async with served(backend) as client:
        answer = await client.get(INSTANCE, headers={"Accept": "application/dicom+xml"})
        assert answer.headers["content-type"] == "application/dicom+xml"
        assert dicom_xml.loads(answer.content)["00200013"]["Value"] == [0]
        backend.objects = described(2)
        answer = await client.get(INSTANCE, headers={"Accept": "application/dicom+xml"})
        assert answer.status_code == 502


async def test_a_long_answer_is_kept_packed_and_given_as_it_was(
    served: Served, backend: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "LARGEST", 100_000)
    backend.objects = described(30_000)
    backend.now = "first"
    async with served(backend) as client:
        headers = {"Accept": "application/dicom+json", "Accept-Encoding": "identity"}
        first = await client.get(SERIES, headers=headers)
        backend.objects = []
        again = await client.get(SERIES, headers=headers)
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["content-length"] == str(len(first.content))
        assert again.headers["etag"] == first.headers["etag"]


KINDS = ["application/dicom+json", 'multipart/related; type="application/dicom+xml"']


@pytest.mark.parametrize("accept", KINDS)
@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize("size", [1, 30_000])
async def test_what_is_known_is_not_made_again(
    served: Served, backend: Scripted, accept: str, coding: str, size: int
) -> None:
    backend.objects = described(size)
    backend.now = "first"
    headers = {"Accept": accept, "Accept-Encoding": coding}
    async with served(backend) as client:
        first = await client.get(SERIES, headers=headers)
        tag = first.headers["etag"]
        assert not tag.startswith("W/")
        assert first.headers["cache-control"] == "private, no-cache"
        assert first.headers["vary"] == "Accept, Accept-Encoding"
        again = await client.get(SERIES, headers=headers)
        assert (again.status_code, again.content) == (200, first.content)
        for name in ("etag", "content-type", "content-encoding", "vary", "cache-control"):
            assert again.headers.get(name) == first.headers.get(name)
        assert backend.opened == 1
        for known in (tag, f'"other", W/{tag}', "*"):
            same = await client.get(SERIES, headers={**headers, "If-None-Match": known})
            assert (same.status_code, same.content) == (304, b"")
            assert same.headers["etag"] == tag
            assert "content-length" not in same.headers
        assert backend.opened == 1
        backend.now = "second"
        backend.objects = described(2)
        new = await client.get(SERIES, headers={**headers, "If-None-Match": tag})
        assert new.status_code == 200
        assert new.headers["etag"] != tag
        head = await client.head(SERIES, headers=headers)
        assert (head.headers["etag"], head.content) == (new.headers["etag"], b"")


async def test_each_form_has_its_own_tag(served: Served, backend: Scripted) -> None:
    backend.objects = described(100)
    backend.now = "same"
    async with served(backend) as client:
        tags = {
            (await client.get(SERIES, headers=headers)).headers["etag"]
            for headers in (
                *({"Accept": kind, "Accept-Encoding": "zstd"} for kind in KINDS),
                *({"Accept": kind, "Accept-Encoding": "gzip"} for kind in KINDS),
                {"Accept-Encoding": "identity"},
                {"Accept-Encoding": "identity", "Host": "elsewhere"},
                {"Accept": "application/json", "Accept-Encoding": "identity"},
            )
        }
        assert len(tags) == 7


async def test_what_changes_while_it_is_told_is_not_kept(
    served: Served, backend: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.objects = described(3)
    versions = iter(["one", "two", "one", "one"])

    async def version(_: object) -> str:
        return next(versions)

    monkeypatch.setattr(backend, "version", version)
    backend.now = ""
    async with served(backend) as client:
        await client.get(SERIES)
        backend.objects = described(2)
        assert len((await client.get(SERIES)).json()) == 2


async def test_without_a_version_the_tag_is_weak(served: Served, backend: Scripted) -> None:
    backend.objects = described(3)
    async with served(backend) as client:
        first = await client.get(SERIES)
        tag = first.headers["etag"]
        assert tag.startswith('W/"')
        same = await client.get(SERIES, headers={"If-None-Match": tag})
        assert (same.status_code, same.content) == (304, b"")
        backend.objects = described(4)
        new = await client.get(SERIES, headers={"If-None-Match": tag})
        assert (new.status_code, len(new.json())) == (200, 4)


async def test_what_is_not_whole_has_no_tag(served: Served, backend: Scripted) -> None:
    backend.objects = described(3)
    backend.late = Incomplete("one did not come", ("1.2.3",))
    backend.now = "same"
    async with served(backend) as client:
        answer = await client.get(SERIES)
        assert answer.status_code == 206
        assert "etag" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"
        backend.late = None
        assert (await client.get(SERIES)).status_code == 200


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
