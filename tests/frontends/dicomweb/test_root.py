import asyncio

import httpx
import orjson
import pytest
from tests.frontends.dicomweb.backend import Scripted

from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.frontends.dicomweb.app import application

pytestmark = pytest.mark.anyio


async def url(headers: dict[str, str], path: str = "/aets/A", **settings: object) -> str:
    """The RetrieveURL base that a search answers with."""
    backend = Scripted(matches=[{}])
    mount = Mount(name="A", backend="scripted", finds=backend)
    app = application(Broker(Mounts({"A": mount}, "A")), HttpSettings(**settings))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://in.side:8080") as client:
        answer = await client.get(path + "/studies", headers=headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()[0]["00081190"]["Value"][0])


async def test_by_default_it_is_the_host_header() -> None:
    assert await url({}) == "http://in.side:8080/aets/A"
    assert await url({}, "/dicomweb") == "http://in.side:8080/dicomweb"
    assert await url({"Host": "[::1]:80"}) == "http://[::1]:80/aets/A"


async def test_a_proxy_is_believed_only_when_it_is_trusted() -> None:
    headers = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "out.side",
        "Forwarded": "host=other;proto=https",
    }
    assert await url(headers) == "http://in.side:8080/aets/A"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Forwarded-Proto": "https"}, "https://in.side:8080"),
        ({"X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "a.b, c"}, "https://a.b"),
        ({"X-Forwarded-Host": "a.b:8443"}, "http://a.b:8443"),
        ({"X-Forwarded-Host": "a.b", "X-Forwarded-Port": "8443"}, "http://a.b:8443"),
        ({"X-Forwarded-Host": "[::1]", "X-Forwarded-Port": "81"}, "http://[::1]:81"),
        (
            {"X-Forwarded-Host": "a.b", "X-Forwarded-Port": "443", "X-Forwarded-Proto": "https"},
            "https://a.b",
        ),
        ({"X-Forwarded-Host": "a.b", "X-Forwarded-Prefix": "/pacs/"}, "http://a.b/pacs"),
        ({"X-Forwarded-Prefix": '/"x'}, "http://in.side:8080"),
        ({"Forwarded": 'for=1.2.3.4;host="a.b:8443";proto=https, host=c'}, "https://a.b:8443"),
        ({"Forwarded": "Host=a.b", "X-Forwarded-Host": "c.d"}, "http://a.b"),
        ({"X-Forwarded-Proto": "gopher"}, "http://in.side:8080"),
    ],
)
async def test_what_a_trusted_proxy_says(headers: dict[str, str], expected: str) -> None:
    assert await url(headers, trust_forwarded=True) == expected + "/aets/A"


async def test_a_configured_url_goes_before_all() -> None:
    headers = {"X-Forwarded-Host": "a.b"}
    root = await url(headers, public_url="https://images.example.org/x/", trust_forwarded=True)
    assert root == "https://images.example.org/x/aets/A"


async def test_the_base_path_goes_before_every_path() -> None:
    assert await url({}, "/pacs/aets/A", base_path="pacs/") == "http://in.side:8080/pacs/aets/A"
    both = {"base_path": "/pacs", "public_url": "https://a.b/pacs"}
    assert await url({}, "/pacs/aets/A", **both) == "https://a.b/pacs/aets/A"
    both = {"base_path": "/pacs", "public_url": "https://a.b"}
    assert await url({}, "/pacs/aets/A", **both) == "https://a.b/pacs/aets/A"


async def test_what_is_not_below_the_base_path_is_404() -> None:
    app = application(Broker(Mounts({}, None)), HttpSettings(base_path="/pacs"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        for path, status in (
            ("/", 404),
            ("/pacsx", 404),
            ("/aets", 404),
            ("/pacs", 200),
            ("/pacs/aets/", 200),
        ):
            assert (await client.get(path)).status_code == status


async def test_a_host_that_is_none_is_refused() -> None:
    backend = Scripted(matches=[{}])
    mount = Mount(name="A", backend="scripted", finds=backend)
    app = application(Broker(Mounts({"A": mount}, "A")), HttpSettings())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/dicomweb/studies", headers={"Host": 'x","y'})
        assert answer.status_code == 400


@pytest.mark.parametrize(
    ("host", "server", "expected"),
    [
        ("127.0.0.1", ("127.0.0.1", 8080), "http://127.0.0.1:8080"),
        ("[::1]", ("::1", 8080), "http://[::1]:8080"),
        ("localhost", ("127.0.0.1", 8080), "http://localhost:8080"),
        ("localhost", ("10.0.0.1", 8080), "http://localhost"),
        ("pacs.example.org", ("127.0.0.1", 8080), "http://pacs.example.org"),
        ("10.0.0.5", ("127.0.0.1", 8080), "http://10.0.0.5"),
        ("127.0.0.1:80", ("127.0.0.1", 8080), "http://127.0.0.1:80"),
        ("127.0.0.1", ("127.0.0.1", 80), "http://127.0.0.1"),
        ("", ("127.0.0.1", 8080), "http://127.0.0.1:8080"),
    ],
)
async def test_a_port_that_host_leaves_out(
    host: str, server: tuple[str, int], expected: str
) -> None:
    backend = Scripted(matches=[{}])
    mount = Mount(name="A", backend="scripted", finds=backend)
    app = application(Broker(Mounts({"A": mount}, "A")), HttpSettings())
    sent: list[dict[str, object]] = []
    received: list[int] = []

    async def receive() -> dict[str, object]:
        if received:
            await asyncio.Event().wait()
        received.append(1)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/aets/A/studies",
        "query_string": b"",
        "scheme": "http",
        "server": server,
        "headers": [(b"host", host.encode())],
    }
    await app(scope, receive, send)
    body = b"".join(bytes(message.get("body", b"")) for message in sent)
    assert orjson.loads(body)[0]["00081190"]["Value"] == [expected + "/aets/A"]


async def test_titles_are_quoted() -> None:
    backend = Scripted(matches=[{}])
    mount = Mount(name="MY AE#1", backend="scripted", finds=backend)
    app = application(Broker(Mounts({"MY AE#1": mount}, None)), HttpSettings())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        (listed,) = (await client.get("/aets")).json()
        assert listed["url"] == "http://x/aets/MY%20AE%231"
        answer = await client.get(listed["url"] + "/studies")
        assert answer.json()[0]["00081190"]["Value"] == [listed["url"]]
