import asyncio
import gzip
import http.server
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.net.openid import Server, Signer, provider, serving

from hilum.cli.cert import made
from hilum.config.auth import TokenSettings
from hilum.model.errors import BackendUnavailable
from hilum.net import document, keys
from hilum.net.keys import CannotVerify, Keys, open_keys

pytestmark = pytest.mark.anyio
ONE, TWO = Signer.made("one"), Signer.made("two")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@asynccontextmanager
async def opened(server: Server, **settings: object) -> AsyncIterator[Keys]:
    said = {"jwks_url": f"{server.url}/keys", "issuer": "https://issuer", "audience": ("a",)}
    async with open_keys(TokenSettings(**{**said, **settings})) as found:
        yield found


async def test_nothing_is_fetched_before_it_is_needed_and_then_once(server: Server) -> None:
    server.gives("/keys", {"keys": [ONE.jwk(), TWO.jwk()]})
    async with opened(server) as found:
        assert server.asked == []
        several = await asyncio.gather(*(found.named("one", "RS256") for _ in range(50)))
        assert [each.key_id for each in several[0]] == ["one"]
        assert all(each == several[0] for each in several)
        assert {each.key_id for each in await found.named(None, "RS256")} == {"one", "two"}
    assert server.asked == ["/keys"]


async def test_a_key_that_is_not_known_is_looked_for_but_not_for_every_forger(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.gives("/keys", {"keys": [ONE.jwk()]})
    async with opened(server) as found:
        await found.named("one", "RS256")
        for number in range(20):
            assert await found.named(f"forged{number}", "RS256") == []
        assert len(server.asked) == 1  # within the cool-down
        monkeypatch.setattr(keys, "_COOLDOWN", 0.0)
        server.gives("/keys", {"keys": [TWO.jwk()]})
        await asyncio.gather(*(found.named("two", "RS256") for _ in range(50)))
        assert await found.named("two", "RS256")
        assert len(server.asked) == 2  # no stampede
        assert await found.named("one", "RS256") == []


async def test_keys_are_renewed_while_tokens_come(server: Server) -> None:
    server.gives("/keys", {"keys": [ONE.jwk()]})
    async with opened(server, refresh=0.05) as found:
        assert await found.named("one", "RS256")
        server.gives("/keys", {"keys": [TWO.jwk()]})
        async with asyncio.timeout(20):
            while await found.named("one", "RS256"):  # noqa: ASYNC110 - of a thread
                await asyncio.sleep(0.02)
        assert await found.named("two", "RS256")


@pytest.mark.parametrize("answer", ["gone", "error", "garbage", "empty"])
async def test_the_last_good_keys_stay(server: Server, answer: str) -> None:
    server.gives("/keys", {"keys": [ONE.jwk()]})
    async with opened(server, refresh=0.05) as found:
        assert await found.named("one", "RS256")
        match answer:
            case "gone":
                del server.answers["/keys"]
            case "error":
                server.gives("/keys", {"keys": [TWO.jwk()]}, status=500)
            case "garbage":
                server.gives("/keys", b"\xff\xfe<html>")
            case "empty":
                server.gives("/keys", {"keys": []})
        async with asyncio.timeout(20):
            while len(server.asked) < 3:  # noqa: ASYNC110 - by a thread
                await asyncio.sleep(0.02)
        assert await found.named("one", "RS256")


def _drip(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(50):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


@pytest.mark.parametrize(
    "body",
    [
        b" " * 10_000_000,
        b"garbage",
        b"[" * 500_000,
        b'{"keys": 5}',
        b'{"keys": [5]}',
        b'{"keys": [{"kty": ["RSA"], "kid": {}}]}',
        b'{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}]}',
        b"null",
        b"",
    ],
    ids=lambda body: f"{len(body)}-{body[:12]!r}",
)
async def test_an_answer_that_is_no_key_set_verifies_nothing(server: Server, body: bytes) -> None:
    server.gives("/keys", body)
    async with opened(server) as found:
        with pytest.raises(BackendUnavailable, match="cannot be fetched"):
            await found.named("one", "RS256")


async def test_a_packed_answer_is_not_unpacked(server: Server) -> None:
    server.gives("/keys", gzip.compress(b" " * 500_000_000), Content_Encoding="gzip")
    async with opened(server) as found:
        began = time.process_time()
        with pytest.raises(BackendUnavailable):
            await found.named("one", "RS256")
        assert time.process_time() - began < 2


async def test_a_slow_provider_is_not_waited_for_long(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "PATIENCE", 0.3)
    server.answers["/keys"] = _drip
    async with opened(server) as found:
        began = time.monotonic()
        for _ in range(5):  # and not again for each token
            with pytest.raises(BackendUnavailable):
                await found.named("one", "RS256")
        assert time.monotonic() - began < 20
    assert len(server.asked) == 1


async def test_nobody_there(server: Server) -> None:
    async with opened(server, jwks_url="http://127.0.0.1:9/keys") as found:
        with pytest.raises(BackendUnavailable):
            await found.named("one", "RS256")


async def test_a_key_is_for_its_algorithm_or_for_all_of_its_kind(server: Server) -> None:
    curve = Signer.made("curve", "ES256")
    server.gives("/keys", {"keys": [ONE.jwk(), TWO.jwk(alg=None), curve.jwk(alg=None)]})
    async with opened(server) as found:
        for algorithm in ("RS512", "PS256"):
            assert await found.named("one", algorithm) == []
            (key,) = await found.named("two", algorithm)
            assert key.algorithm_name == algorithm
        assert await found.named("curve", "RS256") == []
        assert await found.named("curve", "HS256") == []
        assert len(await found.named(None, "RS256")) == 2


async def test_keys_for_encryption_are_left_out(server: Server) -> None:
    server.gives("/keys", {"keys": [ONE.jwk(use="enc"), TWO.jwk(use=None)]})
    async with opened(server) as found:
        assert await found.named("one", "RS256") == []
        assert await found.named("two", "RS256")


async def test_discovery_names_the_keys_and_the_issuer(tmp_path: Path) -> None:
    with provider(tmp_path, ONE) as there:
        settings = TokenSettings(discovery=there.issuer, audience=("urn:hilum",))
        async with open_keys(settings) as found:
            assert [each.key_id for each in await found.named("one", "RS256")] == ["one"]
            assert found.issuer == there.issuer


async def test_a_provider_that_changes_its_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "_COOLDOWN", 0.0)
    with provider(tmp_path, ONE) as there:
        settings = TokenSettings(discovery=there.issuer, audience=("urn:hilum",))
        port = there.peer.port
        async with open_keys(settings) as found:
            assert await found.named("one", "RS256")
            there.peer.stop()
            assert await found.named("two", "RS256") == []  # it is down: what there is stays
            assert await found.named("one", "RS256")
            with provider(tmp_path, TWO, ONE, port=port):
                assert await found.named("two", "RS256")
                assert await found.named("one", "RS256")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"issuer": "https://issuer"},
        {"jwks_uri": "http://[bad", "issuer": "https://issuer"},
        {"jwks_uri": "file:///etc/passwd", "issuer": "https://issuer"},
        {"jwks_uri": 5, "issuer": 5},
        [],
    ],
)
async def test_discovery_that_says_nonsense(server: Server, document: object) -> None:
    server.gives("/.well-known/openid-configuration", document)
    settings = TokenSettings(discovery=server.url, audience=("a",))
    async with open_keys(settings) as found:
        with pytest.raises(BackendUnavailable):
            await found.named("one", "RS256")


async def test_no_redirection_is_followed(server: Server) -> None:
    server.gives("/keys", b"", status=302, Location=f"{server.url}/elsewhere")
    server.gives("/elsewhere", {"keys": [ONE.jwk()]})
    async with opened(server) as found:
        with pytest.raises(BackendUnavailable):
            await found.named("one", "RS256")
    assert "/elsewhere" not in server.asked


async def test_a_key_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(
        ONE.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    async with open_keys(TokenSettings(public_key=path, audience=("a",))) as found:
        assert len(await found.named("any", "RS256")) == 1
    certificate, private = made(["signer"])
    path.write_bytes(certificate)
    async with open_keys(TokenSettings(public_key=path, audience=("a",))) as found:
        assert len(await found.named(None, "ES256")) == 1
    path.write_bytes(private)
    with pytest.raises(CannotVerify, match=r"auth\.token\.public_key"):
        async with open_keys(TokenSettings(public_key=path, audience=("a",))):
            pass
