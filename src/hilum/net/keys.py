"""With which keys are tokens signed? One from a file, or those that a URL names (RFC 7517)."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

import httpx
import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hilum.config.auth import TokenSettings
from hilum.model.errors import BackendUnavailable

log = logging.getLogger(__name__)

_PATIENCE: Final = 10.0  # seconds for an answer
_COOLDOWN: Final = 30.0
"""Seconds between two fetches because of a key that is not known: tokens of forgers name such."""
_MOST: Final = 1024 * 1024  # bytes of an answer
_SUFFIX: Final = "/.well-known/openid-configuration"


class CannotVerify(Exception):
    """The key of the configuration cannot be used; the text begins with its setting."""


class Keys(Protocol):
    """Gives the keys that may have signed a token."""

    async def named(self, kid: str | None, /) -> list[Any]:
        """Those of that Key ID; all, where the token names none.

        Raises:
            BackendUnavailable: none are known, and the URL does not answer.
        """


class Fixed:
    """One key, from a file or the configuration."""

    def __init__(self, key: Any) -> None:  # noqa: ANN401 - what PyJWT takes
        self._key = key

    async def named(self, _kid: str | None, /) -> list[Any]:
        """See `Keys`."""
        return [self._key]


class Fetched:
    """Those that a URL names; kept for a while, and longer when it does not answer.

    Args:
        client: fetches.
        url: of the key set, or of the provider whose discovery names it.
        refresh: seconds after which they are fetched anew.
    """

    def __init__(
        self, client: httpx.AsyncClient, url: str, refresh: float, *, discovered: bool
    ) -> None:
        self._client = client
        self._url = url
        self._refresh = refresh
        self._discovered = discovered
        self._keys: dict[str | None, list[Any]] = {}
        self._fetched = self._tried = -1e9  # seconds of the monotonic clock
        self._lock = asyncio.Lock()

    async def named(self, kid: str | None, /) -> list[Any]:
        """See `Keys`."""
        now = time.monotonic()
        if now - self._fetched > self._refresh and (
            now - self._tried > _COOLDOWN or not self._keys
        ):
            await self._fetch()
        if kid is not None and kid not in self._keys and time.monotonic() - self._tried > _COOLDOWN:
            await self._fetch()
        if not self._keys:
            raise BackendUnavailable("the keys that tokens are signed with cannot be fetched")
        if kid is None:
            return [key for keys in self._keys.values() for key in keys]
        return self._keys.get(kid, [])

    async def _fetch(self) -> None:
        asked = time.monotonic()
        async with self._lock:
            if self._tried >= asked:
                return  # somebody just did
            try:
                self._keys = await self._read()
                self._fetched = time.monotonic()
            except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
                kind = type(error).__name__
                log.warning("keys of tokens cannot be fetched from %s: %s", self._url, kind)
            finally:
                self._tried = time.monotonic()

    async def _read(self) -> dict[str | None, list[Any]]:
        url = self._url
        if self._discovered:
            url = str((await self._json(url + _SUFFIX))["jwks_uri"])
            if httpx.URL(url).scheme != httpx.URL(self._url).scheme:
                raise ValueError("the key set is elsewhere than where the provider is")
        found: dict[str | None, list[Any]] = {}
        for each in (await self._json(url))["keys"]:
            if each.get("use", "sig") != "sig" or each.get("kty") == "oct":
                continue  # a shared secret does not stand at a URL
            try:
                found.setdefault(each.get("kid"), []).append(jwt.PyJWK(each))
            except jwt.PyJWTError:
                continue  # of a kind that is not known here
        if not found:
            raise ValueError("no keys")
        return found

    async def _json(self, url: str) -> Any:  # noqa: ANN401 - what it is, its readers find out
        async with self._client.stream("GET", url) as answer:
            answer.raise_for_status()
            content = bytearray()
            async for piece in answer.aiter_bytes():
                content += piece
                if len(content) > _MOST:
                    raise ValueError("too long")
        return httpx.Response(200, content=bytes(content)).json()


@asynccontextmanager
async def open_keys(settings: TokenSettings) -> AsyncIterator[Keys]:
    """The keys of the configuration. Nothing is fetched before the first token.

    Raises:
        CannotVerify: the file holds no public key.
    """
    if settings.secret is not None:
        yield Fixed(settings.secret.get_secret_value())
    elif settings.public_key is not None:
        yield Fixed(_public(settings.public_key.read_bytes()))
    else:
        url = settings.discovery or settings.jwks_url or ""
        async with httpx.AsyncClient(timeout=_PATIENCE, follow_redirects=False) as client:
            yield Fetched(client, url, settings.refresh, discovered=settings.discovery is not None)


def _public(pem: bytes) -> Any:  # noqa: ANN401 - one of cryptography's kinds
    try:
        if b"BEGIN CERTIFICATE" in pem:
            return x509.load_pem_x509_certificate(pem).public_key()
        return load_pem_public_key(pem)
    except ValueError:
        raise CannotVerify("auth.token.public_key: holds no public key (PEM)") from None
