import asyncio
import logging
import xml.etree.ElementTree as ET

import httpx
import pytest
from tests.frontends.dicomweb.backend import Scripted
from tests.frontends.dicomweb.conftest import Served

from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.frontends.dicomweb.app import application
from hilum.model.errors import BackendTimeout, BackendUnavailable

pytestmark = pytest.mark.anyio


async def test_the_mounts_are_listed(served: Served) -> None:
    async with served(Scripted(), Scripted()) as client:
        root = f"http://127.0.0.1:{client.base_url.port}"
        for path in ("/aets", "/aets/", "/aets//"):
            answer = await client.get(path)
            assert answer.headers["content-type"] == "application/json"
            assert answer.json() == [
                {"aet": "ONE", "backend": "scripted", "default": True, "url": f"{root}/aets/ONE"},
                {"aet": "TWO", "backend": "scripted", "default": False, "url": f"{root}/aets/TWO"},
            ]
        assert f"{root}/dicomweb" in (await client.get("/")).text


async def test_a_mounts_health_is_true(served: Served) -> None:
    backends = [
        Scripted(),
        Scripted(error=BackendUnavailable("down")),
        Scripted(error=BackendTimeout("slow")),
    ]
    async with served(*backends) as client:
        for path in ("/aets/ONE", "/dicomweb"):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert answer.json()["status"] == "healthy"
            assert answer.json()["latency_ms"] >= 0
        answer = await client.get("/aets/TWO")
        assert answer.status_code == 502
        assert answer.json()["error"] == "down"
        assert (await client.get("/aets/THREE")).status_code == 504
        assert (await client.get("/aets/NONE")).status_code == 404
        answer = await client.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")


async def test_a_mount_that_hangs_is_504(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hilum.frontends.dicomweb.service.PATIENCE", 0.05)
    async with served(Scripted(pause=60)) as client:
        assert (await client.get("/aets/ONE")).status_code == 504
        assert (await client.get("/health")).status_code == 503
        ready = await client.get("/readyz?verbose")  # we are here to say so
        assert (ready.status_code, ready.json()["status"]) == (200, "healthy")
        assert ready.json()["mounts"]["ONE"]["status"] == "unhealthy"
        assert (await client.get("/livez")).status_code == 200


async def test_the_services_health(served: Served) -> None:
    async with served(Scripted()) as client:
        answer = await client.get("/health")
        assert answer.status_code == 200
        assert answer.json()["status"] == "healthy"
        assert answer.json()["mounts"]["ONE"]["status"] == "healthy"
    async with served() as client:
        assert (await client.get("/health")).status_code == 200


async def test_without_a_default_mount(served: Served) -> None:
    async with served(Scripted(), default=None) as client:
        for path in ("/dicomweb", "/dicomweb/studies", "/dicomweb/studies/1.2"):
            answer = await client.get(path)
            assert answer.status_code == 404
            assert "no default mount" in answer.json()["error"]
        assert (await client.get("/aets/ONE/studies")).status_code == 200


async def test_an_unknown_mount_is_404(served: Served) -> None:
    async with served(Scripted()) as client:
        for path in ("/aets/X/studies", "/aets/X/studies/1.2", "/aets/X/studies/1.2/metadata"):
            assert (await client.get(path)).status_code == 404
        answer = await client.post("/aets/X/studies", headers={"Content-Type": "application/dicom"})
        assert answer.status_code == 404


async def test_what_a_mount_does_not_offer_is_501() -> None:
    app = application(Broker(Mounts({"A": Mount(name="A", backend="none")}, "A")), HttpSettings())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        for path in ("", "/studies", "/studies/1.2", "/studies/1.2/metadata"):
            answer = await client.get("/dicomweb" + path)
            assert answer.status_code == (200 if path == "" else 501)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/dicomweb/studies", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", "/dicomweb/series", "GET, HEAD, OPTIONS"),
        ("POST", "/aets/ONE/series", "GET, HEAD, OPTIONS"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
    ],
)
async def test_other_methods_are_405(served: Served, method: str, path: str, allow: str) -> None:
    async with served(Scripted()) as client:
        answer = await client.request(method, path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == allow
        assert answer.json() == {"error": "Method Not Allowed"}


async def test_other_paths_are_404(served: Served) -> None:
    async with served(Scripted()) as client:
        for path in ("/nothing", "/aets/ONE/nothing", "/dicomweb/studies/1.2/nothing"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})


@pytest.mark.parametrize(
    "path", ["/dicomweb", "/aets/ONE/", "/dicomweb/studies", "/aets/ONE/studies/1.2"]
)
async def test_capabilities(served: Served, path: str) -> None:
    async with served(Scripted()) as client:
        answer = await client.options(path)
        assert answer.status_code == 200
        assert "GET" in answer.headers["allow"]
        assert answer.headers["content-type"] == "application/vnd.sun.wadl+xml"
        tree = ET.fromstring(answer.text)  # noqa: S314 - our own answer
        namespace = {"w": "http://wadl.dev.java.net/2009/02"}
        paths = {each.get("path") for each in tree.iterfind(".//w:resource", namespace)}
        assert "studies/{study}/series/{series}/metadata" in paths
        answer = await client.options(path, headers={"Accept": "application/json"})
        assert answer.json()["base"].endswith(path.rstrip("/").split("/studies")[0])
        assert "/studies" in [each["path"] for each in answer.json()["resources"]]
        answer = await client.options(path, headers={"Accept": "image/png"})
        assert answer.status_code == 406


async def test_the_services_own_capabilities(served: Served) -> None:
    async with served(Scripted()) as client:
        answer = await client.options("/", headers={"Accept": "application/json"})
        assert "/aets" in [each["path"] for each in answer.json()["resources"]]


async def test_other_origins_are_not_let_in(served: Served) -> None:
    async with served(Scripted()) as client:
        answer = await client.get("/dicomweb/studies", headers={"Origin": "http://evil.example"})
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_request_has_a_name(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hilum")
    async with served(Scripted()) as client:
        answer = await client.get("/livez", headers={"X-Request-ID": "abc-1.2"})
        assert answer.headers["x-request-id"] == "abc-1.2"
        answer = await client.get("/livez", headers={"X-Request-ID": "a b\tc"})
        assert len(answer.headers["x-request-id"]) == 32
        await client.get("/dicomweb/studies?PatientName=SECRET")
        assert (await client.get("/nothing%0Aelse")).headers["x-request-id"]
    assert "abc-1.2 GET /livez: 200" in caplog.text
    assert "GET /dicomweb/studies: 200" in caplog.text
    assert "SECRET" not in caplog.text
    assert "/nothing?else" in caplog.text


async def test_an_unnamed_error_says_nothing_but_is_logged(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(Scripted(error=KeyError("secret"))) as client:
        for path in ("/dicomweb/studies", "/dicomweb", "/dicomweb/studies/1.2"):
            answer = await client.get(path, headers={"X-Request-ID": "q17"})
            assert (answer.status_code, answer.json()) == (500, {"error": "internal error"})
    assert "q17" in caplog.text
    assert "secret" in caplog.text


async def test_a_path_without_its_end_is_404_and_no_circle(served: Served) -> None:
    async with served(Scripted()) as client:
        for path in ("/bulkdata", "/bulkdata/"):
            answer = await client.get(f"/dicomweb/studies/1/series/2/instances/3{path}")
            assert answer.status_code == 404


async def test_a_target_may_name_the_host(served: Served) -> None:
    async with served(Scripted()) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(b"GET http://some.where/aets HTTP/1.1\r\nHost: some.where\r\n\r\n")
        async with asyncio.timeout(20):
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        writer.transport.abort()
