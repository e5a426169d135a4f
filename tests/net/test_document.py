from collections.abc import Iterator

import pytest
from tests.net.openid import Server, serving

from hilum.net.document import BAD, discovered, document, kept_secret, open_http

pytestmark = pytest.mark.anyio


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


async def test_a_document_and_its_status(server: Server) -> None:
    server.gives("/a", {"x": [1]})
    server.gives("/b", {"error": "no"}, status=400)
    async with open_http(server.url, None) as http:
        assert await document(http, f"{server.url}/a") == (200, {"x": [1]})
        assert await document(http, f"{server.url}/b", form={"a": "b"}) == (400, {"error": "no"})


async def test_no_cookie_is_sent_back(server: Server) -> None:
    server.gives("/a", {}, Set_Cookie="a=b")
    async with open_http(server.url, None) as http:
        await document(http, f"{server.url}/a")
        assert not http.cookies


@pytest.mark.parametrize("document_", [[], 5, None])
async def test_discovery_is_an_object(server: Server, document_: object) -> None:
    server.gives("/.well-known/openid-configuration", document_)
    async with open_http(server.url, None) as http:
        with pytest.raises(BAD):
            await discovered(http, server.url)


def test_what_comes_over_tls_is_not_continued_in_clear() -> None:
    assert kept_secret("https://b/keys", "https://a") == "https://b/keys"
    assert kept_secret("http://b/keys", "http://a") == "http://b/keys"
    with pytest.raises(ValueError, match="plain HTTP"):
        kept_secret("http://b/keys", "https://a")
    with pytest.raises(BAD):
        kept_secret("https://a\x00", "https://a")
