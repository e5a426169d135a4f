import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import SecretStr
from tests.net.openid import SECRET, Signer, provider

from hilum.config.auth import TokenSettings
from hilum.model.errors import BackendUnavailable, Unauthenticated
from hilum.model.principal import Grant, Principal, Proof, Right, joined
from hilum.net.keys import Fixed, open_keys
from hilum.net.tokens import Tokens

pytestmark = pytest.mark.anyio
SIGNER = Signer.made()
NOW = int(time.time())
HMAC = "thirty-two bytes, or it is no key."


class Known:
    """Keys that are known, as a key set would have them."""

    issuer: str | None = None

    def __init__(self, *signers: Signer) -> None:
        self._signers = signers

    async def named(self, kid: str | None, algorithm: str, /) -> list[Any]:
        return [
            jwt.PyJWK(each.jwk(), algorithm)
            for each in self._signers
            if kid in {None, each.kid} and each.algorithm == algorithm
        ]


def settings(**more: object) -> TokenSettings:
    return TokenSettings(**{"issuer": "https://issuer", "audience": ("urn:hilum",), **more})


def tokens(*signers: Signer, **more: object) -> Tokens:
    return Tokens(settings(**more), Known(*(signers or (SIGNER,))))


def forged(header: object, payload: object = None) -> str:
    """A token with any header, and a signature that is none."""
    parts = (header, payload or {"sub": "eve", "aud": "urn:hilum", "exp": NOW + 3600})
    texts = (each if isinstance(each, bytes) else json.dumps(each).encode() for each in parts)
    return ".".join(base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in texts) + ".AA"


async def test_a_good_token_says_who_holds_it() -> None:
    token = SIGNER.token(sub="anna", roles=["radiologist"], nbf=NOW - 5, iat=NOW)
    who = await tokens().verified(token)
    assert (who.name, who.proof, who.token) == ("anna", Proof.TOKEN, token)
    assert who.claims["roles"] == ["radiologist"]
    assert token not in repr(who)


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"])
async def test_every_kind_of_signature(algorithm: str) -> None:
    signer = Signer.made("k", algorithm)
    who = await tokens(signer, algorithms=(algorithm,)).verified(signer.token())
    assert who.name == "anna"
    other = Signer.made("k", algorithm)
    with pytest.raises(Unauthenticated, match="nobody who is trusted"):
        await tokens(signer, algorithms=(algorithm,)).verified(other.token())


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": NOW - 3600}, "has expired"),
        ({"exp": None}, "does not say what it must"),
        ({"exp": "soon"}, "not good"),
        ({"exp": float("inf")}, "not good"),
        ({"exp": [1]}, "not good"),
        ({"nbf": NOW + 3600}, "not good yet"),
        ({"iat": NOW + 3600}, "not good yet"),
        ({"aud": "urn:other"}, "another audience"),
        ({"aud": ["urn:other", "urn:hilum.evil"]}, "another audience"),
        ({"aud": {"urn:hilum": 1}}, "another audience"),
        ({"aud": None}, "does not say what it must"),
        ({"iss": "https://evil"}, "another issuer"),
        ({"iss": None}, "does not say what it must"),
        ({"sub": 5}, "not good"),
    ],
)
async def test_what_is_not_good_is_said(claims: dict[str, object], why: str) -> None:
    said = {"sub": "anna", "iss": "https://issuer", "aud": "urn:hilum", "exp": NOW + 3600} | claims
    kept = json.dumps({name: value for name, value in said.items() if value is not None})
    token = jwt.PyJWS().encode(kept.encode(), SIGNER.key, "RS256", headers={"kid": "one"})
    with pytest.raises(Unauthenticated, match=why) as found:
        await tokens().verified(token)
    assert "anna" not in str(found.value)
    assert "evil" not in str(found.value)


async def test_clocks_may_differ_a_little() -> None:
    now = int(time.time())
    await tokens().verified(SIGNER.token(exp=now - 30, nbf=now + 30))
    with pytest.raises(Unauthenticated, match="expired"):
        await tokens(leeway=0.0).verified(SIGNER.token(exp=now - 1))


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "", None, 5, ["RS256"], {}])
async def test_a_token_does_not_choose_how_it_is_verified(algorithm: object) -> None:
    with pytest.raises(Unauthenticated):
        await tokens().verified(forged({"alg": algorithm, "kid": "one"}))


async def test_a_public_key_is_no_secret() -> None:
    public = SIGNER.key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    said = json.dumps({"sub": "eve", "aud": "urn:hilum", "exp": NOW + 3600}).encode()
    for secret in (pem, pem.strip(), json.dumps(SIGNER.jwk()).encode()):
        token = _signed(said, secret)
        for verifier in (
            tokens(),
            Tokens(settings(), Fixed(public)),
            tokens(algorithms=("RS256", "HS256")),  # no configuration says so
            Tokens(settings(algorithms=("RS256", "HS256")), Fixed(public)),
        ):
            with pytest.raises(Unauthenticated):
                await verifier.verified(token)


def _signed(payload: bytes, secret: bytes) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').rstrip(b"=")
    said = head + b"." + base64.urlsafe_b64encode(payload).rstrip(b"=")
    algorithm = jwt.get_algorithm_by_name("HS256")
    signature = base64.urlsafe_b64encode(algorithm.sign(said, secret)).rstrip(b"=")
    return (said + b"." + signature).decode()


async def test_a_shared_secret() -> None:
    said = TokenSettings(
        issuer="https://issuer",
        audience=("urn:hilum",),
        secret=SecretStr(HMAC),
        algorithms=("HS256",),
    )
    claims = {"sub": "anna", "iss": "https://issuer", "aud": "urn:hilum", "exp": NOW + 3600}
    async with open_keys(said) as keys:
        verifier = Tokens(said, keys)
        assert (await verifier.verified(jwt.encode(claims, HMAC, "HS256"))).name == "anna"
        with pytest.raises(Unauthenticated):
            await verifier.verified(jwt.encode(claims, HMAC[::-1], "HS256"))
        with pytest.raises(Unauthenticated):
            await verifier.verified(SIGNER.token())


async def test_a_key_that_is_too_short_verifies_nothing() -> None:
    weak = Signer("one", "RS256", rsa.generate_private_key(65537, 1024))  # noqa: S505 - that is it
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = weak.token()
    with pytest.raises(Unauthenticated):
        await tokens(weak).verified(token)
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = jwt.encode({"exp": NOW + 3600, "aud": "urn:hilum"}, "short", "HS256")
    with pytest.raises(Unauthenticated):
        await Tokens(settings(algorithms=("HS256",)), Fixed("short")).verified(token)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        "...",
        "Bearer x",
        "\udcff.\udcff.\udcff",
        "ä.ö.ü",
        "a" * 5_000_000,
        forged(b"[" * 10_000),
        forged(b'{"alg":' + b"[" * 10_000),
        forged([]),
        forged(5),
        forged(b"\xff\xfe"),
        forged({"alg": "RS256", "kid": {"a": 1}}),
        forged({"alg": "RS256", "kid": "one", "crit": ["exp"]}),
        forged({"alg": "RS256", "kid": "one", "b64": False}),
        forged({"alg": "RS256", "kid": "one", "jku": "http://127.0.0.1:9/"}),
        forged({"alg": "RS256", "kid": "one"}, b"[" * 10_000),
        forged({"alg": "RS256", "kid": "../../etc/passwd"}),
    ],
    ids=lambda token: f"{len(token)}",
)
async def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        await tokens().verified(token)


@pytest.mark.parametrize("payload", [b"[" * 10_000, b"[]", b"5", b"\xff", b'{"exp":1e400}'])
async def test_a_signed_payload_that_is_no_object(payload: bytes) -> None:
    token = jwt.PyJWS().encode(payload, SIGNER.key, "RS256", headers={"kid": "one"})
    with pytest.raises(Unauthenticated):
        await tokens().verified(token)


async def test_a_token_is_as_long_as_the_configuration_lets_it() -> None:
    long = SIGNER.token(roles=["x" * 2000])
    with pytest.raises(Unauthenticated, match="too long"):
        await tokens(max_size=1000).verified(long)
    assert (await tokens().verified(long)).name == "anna"


@pytest.mark.parametrize("padding", ["\0", " ", "\0\0", " \0"])
async def test_peers_pad_to_even_length(padding: str) -> None:
    token = SIGNER.token()
    assert (await tokens().verified(token + padding)).token == token


async def test_a_name_comes_from_the_claim_of_the_configuration() -> None:
    verifier = tokens(name_claim="preferred_username")
    assert (await verifier.verified(SIGNER.token(preferred_username="a.b"))).name == "a.b"
    assert (await verifier.verified(SIGNER.token())).name == "anna"
    name = (await tokens().verified(SIGNER.token(sub="a\r\nb\x1b[31m" + "c" * 500))).name
    assert name.isprintable()
    assert len(name) <= 200


@pytest.mark.parametrize("more", ["\r\nX-Evil: 1", "\n", "=", " ", "\u00e4", "!"])
async def test_a_token_has_nothing_in_it_that_is_not_its_own(more: str) -> None:
    token = SIGNER.token()
    with pytest.raises(Unauthenticated):
        await tokens().verified(token[:-8] + more + token[-8:])


async def test_scopes_grant() -> None:
    scope = "openid hilum:query hilum:store:ARCHIVE hilum:nonsense hilum:"
    who = await tokens().verified(SIGNER.token(scope=scope, scp=["hilum:retrieve", 5]))
    assert who.grants == (
        Grant(frozenset((Right.QUERY,))),
        Grant(frozenset((Right.STORE,)), frozenset(("ARCHIVE",))),
        Grant(frozenset((Right.RETRIEVE,))),
    )


async def test_a_token_without_a_key_id_is_held_against_every_key() -> None:
    others = [Signer.made(f"other{number}") for number in range(3)]
    bare = Signer(None, "RS256", SIGNER.key)
    who = await tokens(*others, SIGNER).verified(bare.token())
    assert who.name == "anna"
    with pytest.raises(Unauthenticated):
        await tokens(*others).verified(bare.token())


async def test_keys_that_cannot_be_fetched_are_not_the_fault_of_the_token() -> None:
    said = settings(jwks_url="http://127.0.0.1:9/keys")
    async with open_keys(said) as keys:
        with pytest.raises(BackendUnavailable):
            await Tokens(said, keys).verified(SIGNER.token())


async def test_without_keys_no_token_is_taken() -> None:
    with pytest.raises(Unauthenticated):
        await Tokens(settings(), None).verified(SIGNER.token())
    with pytest.raises(Unauthenticated, match="unknown"):
        await Tokens(settings(), None).verified("hilum_0000")


async def test_tokens_of_our_own_are_asked_of_who_issued_them() -> None:
    class Issued:
        async def holder(self, token: str, /) -> Principal | None:
            return Principal("pacs", Proof.ISSUED) if token.endswith("good") else None

    verifier = Tokens(settings(), None, Issued())
    assert (await verifier.verified("hilum_good\0")).name == "pacs"
    with pytest.raises(Unauthenticated, match="unknown"):
        await verifier.verified("hilum_bad")


def test_who_holds_a_token_is_also_who_called() -> None:
    beside = Principal("CN=x", Proof.CERTIFICATE, "CT1", "10.0.0.1", "CN=x")
    who = joined(Principal("anna", Proof.TOKEN, token="t"), beside)  # noqa: S106 - no secret
    assert (who.name, who.ae_title, who.address, who.token) == ("anna", "CT1", "10.0.0.1", "t")
    assert who.certificate == "CN=x"


@asynccontextmanager
async def discovered(issuer: str, audience: str = "urn:hilum") -> AsyncIterator[Tokens]:
    said = TokenSettings(discovery=issuer, audience=(audience,))
    async with open_keys(said) as keys:
        yield Tokens(said, keys)


async def granted(url: str, **form: str) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        data = {"grant_type": "client_credentials", "client_id": "gate-post", **form}
        answer = await client.post(url, data={**data, "client_secret": SECRET})
        return str(answer.raise_for_status().json()["access_token"])


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_what_a_real_provider_issues_is_good(tmp_path: Path, algorithm: str) -> None:
    with provider(tmp_path, Signer.made("p", algorithm)) as there:
        token = await granted(there.token_url, scope="hilum:query hilum:store:ARCHIVE")
        async with discovered(there.issuer) as verifier:
            who = await verifier.verified(token)
            assert who.name == "gate-post"
            assert {right for each in who.grants for right in each.rights} == {"query", "store"}
            with pytest.raises(Unauthenticated):
                await verifier.verified(SIGNER.token(iss=there.issuer))
            other = await granted(there.token_url, resource="urn:other")
            with pytest.raises(Unauthenticated, match="another audience"):
                await verifier.verified(other)


async def test_the_issuer_is_the_one_that_discovery_names(tmp_path: Path) -> None:
    signer = Signer.made("p")
    with provider(tmp_path, signer) as there:
        async with discovered(there.issuer) as verifier:
            await verifier.verified(signer.token(iss=there.issuer))
            with pytest.raises(Unauthenticated, match="another issuer"):
                await verifier.verified(signer.token(iss="https://tenant.of.somebody.else"))
