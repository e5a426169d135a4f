"""With which keys are tokens signed? One from a file, or those that a URL names (RFC 7517)."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, Protocol

import httpx
import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hilum.config.auth import TokenSettings
from hilum.model.errors import BackendFault, BackendUnavailable
from hilum.net.document import BAD, discovered, document, kept_secret, open_http

log = logging.getLogger(__name__)

_COOLDOWN: Final = 30.0
"""Seconds between two fetches because of a key that is not known: tokens of forgers name such."""
_SOON: Final = 2.0  # seconds between two fetches where no key is known as yet


class CannotVerify(Exception):
    """The key of the configuration cannot be used; the text begins with its setting."""


class Keys(Protocol):
    """Gives the keys that may have signed a token.

    Attributes:
        issuer: who signs with them, where the keys come with a name; None: nobody says.
    """

    issuer: str | None

    async def named(self, kid: str | None, algorithm: str, /) -> list[Any]:
        """Those of that Key ID, for that algorithm; of every Key ID, where the token names none.

        Raises:
            BackendUnavailable: none are known, and the URL does not answer.
        """


class Fixed:
    """One key, from a file or the configuration."""

    issuer: str | None = None

    def __init__(self, key: Any) -> None:  # noqa: ANN401 - what PyJWT takes
        self._key = key

    async def named(self, _kid: str | None, _algorithm: str, /) -> list[Any]:
        """See `Keys`."""
        return [self._key]


class Fetched:
    """Those that a URL names; the last good ones stay as long as it does not answer.

    Args:
        client: fetches.
        url: of the key set, or of the provider whose discovery names it.
        refresh: seconds after which they are fetched anew.
    """

    def __init__(
        self, client: httpx.AsyncClient, url: str, refresh: float, *, discovered: bool
    ) -> None:
        self.issuer: str | None = None
        self._client = client
        self._url = url
        self._refresh = refresh
        self._discovered = discovered
        self._keys: dict[str | None, list[dict[str, Any]]] = {}
        self._made: dict[tuple[str | None, str], list[Any]] = {}
        self._tried = -1e9  # seconds of the monotonic clock
        self._lock = asyncio.Lock()
        self._used = asyncio.Event()

    async def named(self, kid: str | None, algorithm: str, /) -> list[Any]:
        """See `Keys`."""
        self._used.set()
        if not self._keys or (kid is not None and kid not in self._keys):
            await self._fetch(_COOLDOWN if self._keys else _SOON)
        if not self._keys:
            raise BackendUnavailable("the keys that tokens are signed with cannot be fetched")
        if kid is not None and kid not in self._keys:
            return []
        if (kid, algorithm) not in self._made:
            every = [key for keys in self._keys.values() for key in keys]
            some = every if kid is None else self._keys[kid]
            self._made[kid, algorithm] = [*filter(None, (_made(key, algorithm) for key in some))]
        return self._made[kid, algorithm]

    async def watch(self) -> None:
        """From the first token on, fetch them anew from time to time. Never ends."""
        await self._used.wait()
        while True:
            await asyncio.sleep(self._refresh)
            while not await self._fetch(0.0):  # noqa: ASYNC110 - it is not told when it will answer
                await asyncio.sleep(min(_COOLDOWN, self._refresh))

    async def _fetch(self, cooldown: float) -> bool:
        """Whether they are new; at most one fetch at a time, and none within the cool-down."""
        asked = time.monotonic()
        async with self._lock:
            if self._tried > asked - cooldown:
                return False  # somebody just did
            try:
                self._keys = await self._read()
                self._made = {}
            except BAD as error:
                kind = type(error).__name__
                log.warning("keys of tokens cannot be fetched from %s: %s", self._url, kind)
                return False
            finally:
                self._tried = time.monotonic()
            return True

    async def _read(self) -> dict[str | None, list[dict[str, Any]]]:
        url, issuer = self._url, None
        if self._discovered:
            said = await discovered(self._client, url)
            url, issuer = kept_secret(said["jwks_uri"], url), str(said["issuer"])
        found: dict[str | None, list[dict[str, Any]]] = {}
        status, said = await document(self._client, url)
        if status != httpx.codes.OK:
            raise ValueError("no keys")
        for each in said["keys"]:
            # A shared secret does not stand at a URL.
            if each.get("use", "sig") == "sig" and each.get("kty") in {"RSA", "EC", "OKP"}:
                kid = each.get("kid")
                found.setdefault(kid if isinstance(kid, str) else None, []).append(each)
        if not found:
            raise ValueError("no keys")
        self.issuer = issuer
        return found


def _made(key: dict[str, Any], algorithm: str) -> jwt.PyJWK | None:
    """The key, if it is for that algorithm: one that names none is for all of its kind."""
    if key.get("alg") not in {None, algorithm}:
        return None
    try:
        return jwt.PyJWK(key, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None  # of another kind, or broken


@asynccontextmanager
async def open_keys(settings: TokenSettings) -> AsyncIterator[Keys]:
    """The keys of the configuration. Nothing is fetched before the first token.

    Raises:
        CannotVerify: a file cannot be used.
    """
    if settings.secret is not None:
        yield Fixed(settings.secret.get_secret_value())
    elif settings.public_key is not None:
        yield Fixed(_public(settings.public_key.read_bytes()))
    else:
        url = settings.discovery or settings.jwks_url or ""
        async with _http(url, settings) as http, asyncio.TaskGroup() as group:
            keys = Fetched(http, url, settings.refresh, discovered=settings.discovery is not None)
            watching = group.create_task(keys.watch())
            try:
                yield keys
            finally:
                watching.cancel()


@asynccontextmanager
async def _http(url: str, settings: TokenSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with AsyncExitStack() as stack:
        try:
            http = await stack.enter_async_context(open_http(url, settings.ca_file))
        except BackendFault as error:
            raise CannotVerify(f"auth.token.{error}") from error
        yield http


def _public(pem: bytes) -> Any:  # noqa: ANN401 - one of cryptography's kinds
    try:
        if b"BEGIN CERTIFICATE" in pem:
            return x509.load_pem_x509_certificate(pem).public_key()
        return load_pem_public_key(pem)
    except ValueError:
        raise CannotVerify("auth.token.public_key: holds no public key (PEM)") from None
