"""How does a browser log in at an OpenID provider? By a code (RFC 6749 §4.1), with PKCE (RFC 7636).

What comes of it is an access token, verified like any other. The ID token is not looked at: nobody
is known here by more than what a program with that access token would be.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Final
from urllib.parse import urlencode

import httpx

from hilum.config.auth import BrowserSettings, TokenSettings
from hilum.model.errors import BackendUnavailable, Unauthenticated
from hilum.net.document import BAD, discovered, document, kept_secret, open_http

_RANDOM: Final = 32  # bytes


class Provider:
    """Implements `core.login.AsksElsewhere`.

    Args:
        http: see `net.document.open_http`.
        url: of the provider, without the path of its discovery.
        settings: who we are there.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, settings: BrowserSettings) -> None:
        self._http = http
        self._url = url
        self._settings = settings

    async def begin(self, back: str, /) -> tuple[str, str]:
        """See `core.login.AsksElsewhere`."""
        state, verifier = secrets.token_urlsafe(_RANDOM), secrets.token_urlsafe(_RANDOM)
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        said = {
            **self._settings.parameters,
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": back,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        url = await self._endpoint("authorization_endpoint")
        return f"{url}{'&' if '?' in url else '?'}{urlencode(said)}", f"{state}.{verifier}"

    async def token(self, said: Mapping[str, str], kept: str, back: str, /) -> str:
        """See `core.login.AsksElsewhere`."""
        state, _, verifier = kept.partition(".")
        if not verifier or not secrets.compare_digest(
            said.get("state", "").encode(), state.encode()
        ):
            raise Unauthenticated("this browser did not begin to log in here, or too long ago")
        if not said.get("code"):
            raise Unauthenticated("the provider has not let this browser in")
        form = {
            "grant_type": "authorization_code",
            "code": said["code"],
            "redirect_uri": back,
            "client_id": self._settings.client_id,
            "code_verifier": verifier,
        }
        secret = self._settings.client_secret
        if secret is not None:
            form["client_secret"] = secret.get_secret_value()
        url = await self._endpoint("token_endpoint")
        try:
            status, answer = await document(self._http, url, form=form)
            token = answer["access_token"] if status == httpx.codes.OK else None
        except BAD as error:
            raise _unavailable() from error
        if not isinstance(token, str):
            raise Unauthenticated("the provider does not take its own code back")
        return token

    async def _endpoint(self, name: str) -> str:
        """One of the provider's URLs."""
        try:
            return kept_secret(str((await discovered(self._http, self._url))[name]), self._url)
        except BAD as error:
            raise _unavailable() from error


def _unavailable() -> BackendUnavailable:
    return BackendUnavailable("the provider of logins does not answer")


@asynccontextmanager
async def open_provider(
    tokens: TokenSettings, settings: BrowserSettings
) -> AsyncIterator[Provider]:
    """The provider of the configuration.

    Raises:
        BackendFault: `ca_file` cannot be used.
    """
    url = tokens.discovery or ""
    async with open_http(url, tokens.ca_file) as http:
        yield Provider(http, url, settings)
