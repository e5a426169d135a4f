"""What do our requests to a web server say in Authorization? Fixed, renewed, or the caller's.

A token that we fetch ourselves (RFC 6749 §4.4) is renewed before it expires, by one request while
the others go on with the old one; and once when the server no longer takes it.
"""

import asyncio
import logging
import re
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote_plus

import anyio.to_thread
import httpx

from hilum.config.login import OAuth
from hilum.config.mounts import Web
from hilum.core import caller
from hilum.model.errors import BackendError, BackendFault, BackendUnavailable
from hilum.net.document import BAD, discovered, document, kept_secret, open_http

log = logging.getLogger(__name__)

_EARLY: Final = 60.0  # seconds before its end that a token is renewed, at most a fifth of its life
_LIFE: Final = 300.0  # seconds that a token is taken to hold which does not say
_LONGEST: Final = 24 * 3600.0  # seconds
_YOUNG: Final = 5.0  # seconds in which a token is not renewed that is refused: it is not too old
_CODE: Final = re.compile(r"[a-z_]{1,40}")
_LONGEST_TOKEN: Final = 64 * 1024  # bytes


class Credentials(Protocol):
    """Gives what each request says of us.

    Attributes:
        callers: whether it is the caller's own, so that a refusal means the caller.
    """

    callers: bool

    async def authorization(self) -> str | None:
        """The value of Authorization; None: the request has none.

        Raises:
            Unauthenticated: the caller has nothing that could be passed on.
            BackendError: it is not to be had.
        """

    async def renewed(self, refused: str | None, /) -> bool:
        """Whether there is now another one than that, which the server has refused."""


class Fixed:
    """The same for every request, as the configuration says."""

    callers = False

    def __init__(self, value: str | None) -> None:
        self._value = value

    async def authorization(self) -> str | None:
        """See `Credentials`."""
        return self._value

    async def renewed(self, _refused: str | None, /) -> bool:
        """See `Credentials`."""
        return False


class FromFile:
    """A bearer token that somebody else writes into a file."""

    callers = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._value: str | None = None

    async def authorization(self) -> str | None:
        """See `Credentials`; as long as the file cannot be read, the one from before."""
        try:
            self._value = await anyio.to_thread.run_sync(self._read)
        except (OSError, ValueError) as error:
            if self._value is None:
                raise BackendFault("bearer_file cannot be read, or holds no token") from error
            log.warning("bearer_file %s cannot be read, or holds no token", self._path)
        return self._value

    async def renewed(self, refused: str | None, /) -> bool:
        """See `Credentials`: whether the file was written in between."""
        return await self.authorization() != refused

    def _read(self) -> str | None:
        status = self._path.stat()
        seen = status.st_mtime_ns, status.st_ino, status.st_size
        if self._value is not None and seen == self._seen:
            return self._value
        if status.st_size > _LONGEST_TOKEN:
            raise ValueError("too long")
        value = _bearer(self._path.read_text(encoding="ascii").strip())
        self._seen = seen
        return value


class Passed:
    """The token of who asks us."""

    callers = True

    async def authorization(self) -> str | None:
        """See `Credentials`."""
        return _bearer(caller.token())

    async def renewed(self, _refused: str | None, /) -> bool:
        """See `Credentials`."""
        return False


class Granted:
    """A token that we fetch with client credentials.

    Args:
        settings: where, and as whom.
        http: fetches.
    """

    callers = False

    def __init__(self, settings: OAuth, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http
        self._lock = asyncio.Lock()
        self._value: str | None = None
        self._fetched = self._early = self._until = -1e9  # seconds of the monotonic clock
        self._failed = -1e9
        self._failure = ""

    async def authorization(self) -> str | None:
        """See `Credentials`."""
        now = time.monotonic()
        if now < self._early or (now < self._until and self._lock.locked()):
            return self._value
        async with self._lock:
            if time.monotonic() < self._early:
                return self._value
            if self._failed < now:  # nobody has failed while we waited
                try:
                    await self._fetch()
                except BackendError as error:
                    self._failed, self._failure = time.monotonic(), str(error)
                    self._early = min(self._until, self._failed + _YOUNG)
                    if time.monotonic() >= self._until:
                        raise
                    log.warning("%s; the former token still holds", error)
            elif time.monotonic() >= self._until:
                raise BackendUnavailable(self._failure)
            return self._value

    async def renewed(self, refused: str | None, /) -> bool:
        """See `Credentials`: fetched anew, unless it has just been."""
        async with self._lock:
            if self._value == refused and time.monotonic() - self._fetched > _YOUNG:
                try:
                    await self._fetch()
                except BackendError as error:
                    log.warning("%s", error)
            return self._value != refused

    async def _fetch(self) -> None:
        """A new one.

        Raises:
            BackendUnavailable, BackendFault: it is not to be had.
        """
        asked = time.monotonic()
        try:
            url = self._settings.token_url
            if url is None:
                like = self._settings.discovery or ""
                url = kept_secret((await discovered(self._http, like))["token_endpoint"], like)
            form, headers = self._said()
            status, said = await document(self._http, url, form=form, headers=headers)
            if status == httpx.codes.OK:
                self._take(said, asked)
                return
        except BAD as error:
            kind = type(error).__name__
            raise BackendUnavailable(f"no token for the server could be fetched: {kind}") from error
        why = _why(said)
        raise BackendFault(f"who gives out tokens for the server refuses us ({status}{why})")

    def _said(self) -> tuple[dict[str, str], dict[str, str]]:
        """The form and the headers of the request (RFC 6749 §2.3.1, §4.4.2)."""
        settings = self._settings
        secret = settings.client_secret.get_secret_value()
        form = {"grant_type": "client_credentials", **settings.parameters}
        if settings.scope:
            form["scope"] = " ".join(settings.scope)
        if settings.audience is not None:
            form["audience"] = settings.audience
        if settings.resource is not None:
            form["resource"] = settings.resource
        if settings.client_auth == "post":
            return form | {"client_id": settings.client_id, "client_secret": secret}, {}
        pair = f"{quote_plus(settings.client_id)}:{quote_plus(secret)}".encode()
        return form, {"Authorization": "Basic " + b64encode(pair).decode()}

    def _take(self, said: dict[str, object], asked: float) -> None:
        if str(said.get("token_type", "bearer")).lower() != "bearer":
            raise ValueError("no bearer token")
        life = said.get("expires_in", _LIFE)
        seconds = min(float(life), _LONGEST) if isinstance(life, (int, float, str)) else _LIFE
        if not seconds > 0:  # nor NaN
            raise ValueError("no life")
        value = _bearer(str(said["access_token"]))
        self._value, self._fetched = value, asked
        self._until = asked + seconds
        self._early = self._until - min(_EARLY, seconds / 5)


def _bearer(token: str) -> str:
    """What Authorization says.

    Raises:
        ValueError: that cannot be sent.
    """
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("no token")
    return f"Bearer {token}"


def _why(said: object) -> str:
    """The error code (RFC 6749 §5.2), where it is one."""
    error = said.get("error") if isinstance(said, dict) else None
    if not isinstance(error, str) or _CODE.fullmatch(error) is None:
        return ""
    return f" {error}"


@asynccontextmanager
async def open_credentials(web: Web, *, forward: bool = False) -> AsyncIterator[Credentials]:
    """What the configuration says; nothing is fetched before the first request.

    Args:
        web: how the server is spoken to.
        forward: whether the caller's token is passed on.

    Raises:
        BackendFault: a file with certificates cannot be used.
    """
    if forward:
        yield Passed()
    elif web.bearer_file is not None:
        yield FromFile(web.bearer_file)
    elif web.oauth is not None:
        url = web.oauth.token_url or web.oauth.discovery or ""
        async with open_http(url, web.oauth.ca_file) as http:
            yield Granted(web.oauth, http)
    else:
        yield Fixed(_fixed(web))


def _fixed(web: Web) -> str | None:
    if web.bearer is not None:
        return f"Bearer {web.bearer.get_secret_value()}"
    if web.username is None:
        return None
    password = web.password.get_secret_value() if web.password is not None else ""
    return "Basic " + b64encode(f"{web.username}:{password}".encode()).decode()
