import pytest
from tests.frontends.dicomweb.backend import Scripted
from tests.frontends.dicomweb.conftest import Served

from hilum.frontends.dicomweb.safe import RawHeaders, safe

CSP = "content-security-policy"


def told(headers: RawHeaders, status: int = 200) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in safe(status, headers)}


@pytest.mark.anyio
@pytest.mark.parametrize(
    "path",
    [
        *("/", "/ui/app.js", "/aets", "/health", "/livez", "/openapi.json", "/nowhere", "/viewer"),
        *("/aets/ONE", "/aets/ONE/studies", "/aets/NONE/studies", "/aets/ONE/studies?x=1"),
    ],
)
async def test_every_answer_is_what_it_says_and_says_who_may_keep_it(
    path: str, served: Served
) -> None:
    async with served(Scripted()) as client:
        for method in ("GET", "OPTIONS", "PUT"):
            answer = await client.request(method, path)
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert "public" not in answer.headers["cache-control"]
            assert "frame-ancestors 'self'" in answer.headers[CSP]


@pytest.mark.anyio
async def test_a_preflight_is_safe_too(served: Served) -> None:
    headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    for origins in ((), ("https://a.example",)):
        async with served(Scripted(), cors_origins=origins) as client:
            answer = await client.options("/aets/ONE/studies", headers=headers)
            assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("kind", [b"text/xml", b"application/dicom+json", b"image/jpeg", b""])
def test_what_says_nothing_of_scripts_has_none(kind: bytes) -> None:
    assert "sandbox" in told([(b"content-type", kind)])[CSP]


@pytest.mark.parametrize("kind", [b"application/pdf", b"video/mp4"])
def test_what_the_browser_plays_is_not_shut_out(kind: bytes) -> None:
    assert told([(b"content-type", kind)])[CSP] == "frame-ancestors 'self'"


def test_what_the_browser_has_already_stays_as_it_is() -> None:
    assert CSP not in told([(b"etag", b'"x"')], 304)


def test_only_what_has_a_tag_is_kept_and_asked_about_again() -> None:
    assert told([])["cache-control"] == "no-store"
    assert told([(b"etag", b'"x"')])["cache-control"] == "private, no-cache"
    assert "cache-control" not in told([(b"cache-control", b"public")])
