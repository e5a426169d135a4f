import asyncio

import httpx
import pytest
from tests.frontends.dicomweb.backend import Kept, Scripted
from tests.frontends.dicomweb.conftest import Served

from hilum.frontends.dicomweb.cors import EXPOSED
from hilum.model.errors import BackendFault

pytestmark = pytest.mark.anyio

VIEWER = "https://viewer.example.org"
ORIGIN = {"Origin": VIEWER}
PREFLIGHT = {**ORIGIN, "Access-Control-Request-Method": "POST"}
ALLOW = "Access-Control-Allow-Origin"


def shared(answer: httpx.Response) -> set[str]:
    return {name for name in answer.headers if name.startswith("access-control-")}


async def test_a_preflight_says_what_a_page_may_do(served: Served, backend: Scripted) -> None:
    asked = {**PREFLIGHT, "Access-Control-Request-Headers": "authorization, content-type"}
    async with served(backend, cors_origins=(VIEWER,), cors_max_age=90.0) as client:
        answer = await client.options("/dicomweb/studies", headers=asked)
    assert answer.status_code == 204
    assert answer.content == b""
    assert answer.headers[ALLOW] == VIEWER
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization, content-type"
    assert {"GET", "POST", "DELETE"} <= {
        *answer.headers["Access-Control-Allow-Methods"].split(", ")
    }
    assert answer.headers["Access-Control-Max-Age"] == "90"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


async def test_a_preflight_is_no_question_for_capabilities_wherever_it_goes(
    served: Served, backend: Scripted
) -> None:
    async with served(backend, cors_origins=(VIEWER,), base_path="/pacs") as client:
        for path in ("/pacs", "/pacs/dicomweb", "/pacs/dicomweb/studies/1.2", "/elsewhere"):
            answer = await client.options(path, headers=PREFLIGHT)
            assert (answer.status_code, answer.headers[ALLOW]) == (204, VIEWER)


@pytest.mark.parametrize("headers", [{}, ORIGIN, {"Access-Control-Request-Method": "GET"}])
async def test_every_other_options_asks_for_capabilities(
    served: Served, backend: Scripted, headers: dict[str, str]
) -> None:
    async with served(backend, cors_origins=(VIEWER,)) as client:
        answer = await client.options("/dicomweb", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/vnd.sun.wadl+xml")
    assert "GET" in answer.headers["Allow"]
    assert (ALLOW in answer.headers) == ("Origin" in headers)


@pytest.mark.parametrize("origins", [(), (VIEWER,)])
async def test_the_preflight_of_a_stranger_is_refused(
    served: Served, backend: Scripted, origins: tuple[str, ...]
) -> None:
    async with served(backend, cors_origins=origins) as client:
        answer = await client.options(
            "/dicomweb", headers={**PREFLIGHT, "Origin": "https://evil.example.org"}
        )
    assert answer.status_code == 403
    assert shared(answer) == set()
    assert "cors_origins" in answer.json()["error"]


async def test_a_stranger_is_answered_without_any_header_of_cors(
    served: Served, backend: Scripted
) -> None:
    async with served(backend, cors_origins=(VIEWER,)) as client:
        for origin in ("https://evil.example.org", VIEWER + ":8443", "null", "http:" + VIEWER[6:]):
            answer = await client.get("/dicomweb/studies", headers={"Origin": origin})
            assert answer.status_code == 200
            assert shared(answer) == set()
            assert answer.headers["Vary"] == "Origin"


async def test_without_any_origin_configured_answers_are_as_ever(
    served: Served, backend: Scripted
) -> None:
    async with served(backend) as client:
        answer = await client.get("/dicomweb/studies", headers=ORIGIN)
    assert shared(answer) == set()
    assert "Vary" not in answer.headers


async def test_an_answer_shows_its_headers_to_the_page(served: Served, backend: Scripted) -> None:
    backend.matches = [{}] * 3
    async with served(backend, cors_origins=(VIEWER,)) as client:
        answer = await client.get("/dicomweb/studies?limit=1", headers=ORIGIN)
        bare = await client.get("/dicomweb/studies?limit=1")
    assert answer.headers[ALLOW] == VIEWER
    exposed = {*answer.headers["Access-Control-Expose-Headers"].split(", ")}
    assert {"Warning", "Content-Location", "ETag", "Retry-After", "Location"} <= exposed
    assert {"X-Request-ID", "Content-Range", "Accept-Ranges"} <= exposed == {*EXPOSED}
    assert shared(bare) == set()
    assert bare.headers["Vary"] == "Origin"  # for a cache between


async def test_an_answer_in_pieces_is_sent_as_it_comes(served: Served, backend: Scripted) -> None:
    backend.kept = [Kept("1.2.3", data=bytes(3_000_000), chunk=1_000_000)]
    async with served(backend, cors_origins=(VIEWER,)) as client:
        answer = await client.get("/dicomweb/studies/1.2", headers=ORIGIN)
    assert len(answer.content) > 3_000_000
    assert answer.headers[ALLOW] == VIEWER


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/pacs/dicomweb/studies?Nonsense=1", 400),
        ("/pacs/dicomweb/nothing", 404),
        ("/elsewhere", 404),
        ("/pacs/dicomweb/studies/1.2", 502),
    ],
)
async def test_a_page_can_read_why_something_failed(served: Served, path: str, status: int) -> None:
    backend = Scripted(error=BackendFault("it is broken"))
    async with served(backend, cors_origins=(VIEWER,), base_path="/pacs") as client:
        answer = await client.get(path, headers=ORIGIN)
    assert (answer.status_code, answer.headers[ALLOW]) == (status, VIEWER)
    assert answer.json()["error"]


async def test_a_page_can_read_what_the_server_itself_answers(
    served: Served, backend: Scripted
) -> None:
    async with served(backend, cors_origins=(VIEWER,), request_timeout=0.2) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(
            f"POST /dicomweb/studies HTTP/1.1\r\nHost: x\r\nOrigin: {VIEWER}\r\n"
            "Content-Type: application/dicom\r\nContent-Length: 1000\r\n\r\nDICM".encode()
        )
        async with asyncio.timeout(20):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        writer.close()
    assert head.startswith("http/1.1 408 ")
    assert f"access-control-allow-origin: {VIEWER}\r\n" in head


async def test_every_origin_may_be_let_in(served: Served, backend: Scripted) -> None:
    async with served(backend, cors_origins=("*",)) as client:
        answer = await client.get("/dicomweb/studies", headers=ORIGIN)
        preflight = await client.options("/dicomweb/studies", headers=PREFLIGHT)
    assert answer.headers[ALLOW] == preflight.headers[ALLOW] == "*"
    assert "Vary" not in answer.headers  # it is the same for all


async def test_credentials_are_taken_where_that_is_configured(
    served: Served, backend: Scripted
) -> None:
    async with served(backend, cors_origins=(VIEWER,), cors_credentials=True) as client:
        answer = await client.get("/dicomweb/studies", headers=ORIGIN)
        preflight = await client.options("/dicomweb/studies", headers=PREFLIGHT)
    for each in (answer, preflight):
        assert each.headers["Access-Control-Allow-Credentials"] == "true"
        assert each.headers[ALLOW] == VIEWER
