"""How is a short JSON document got from a provider of keys or tokens? Whole, soon, and not long."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from hilum.config.tls import Identity
from hilum.net.tls import client
from hilum.net.transport import proxy_of

PATIENCE: Final = 10.0
"""Seconds for a document, from the first byte sent to the last one read."""
_MOST: Final = 1024 * 1024  # bytes of an answer
_DISCOVERY: Final = "/.well-known/openid-configuration"
BAD: Final = (
    httpx.HTTPError,
    httpx.InvalidURL,
    TimeoutError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,  # JSON a hundred thousand arrays deep
)
"""What comes of a document that does not come, or says something else than it should."""


@asynccontextmanager
async def open_http(url: str, ca_file: Path | None) -> AsyncIterator[httpx.AsyncClient]:
    """A client for the server of `url`; it follows no redirection and keeps no cookies.

    Raises:
        BackendFault: `ca_file` cannot be used.
    """
    context = client(Identity(), ca_file)
    async with httpx.AsyncClient(
        timeout=PATIENCE, verify=context, proxy=proxy_of(url), trust_env=False
    ) as http:
        yield http


async def document(
    http: httpx.AsyncClient,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Any]:
    """Status and content, which may be anything that JSON can say.

    Args:
        http: see `open_http`.
        url: what to ask.
        form: is posted, where there is one.
        headers: more of the request.

    Raises:
        BAD: it does not come, is too long, or is no JSON.
    """
    method = "GET" if form is None else "POST"
    # Packed it could be short, and unpacked without end.
    said = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
    async with (
        asyncio.timeout(PATIENCE),
        http.stream(method, url, headers=said, data=form) as answer,
    ):
        http.cookies.clear()
        content = bytearray()
        async for piece in answer.aiter_raw():
            content += piece
            if len(content) > _MOST:
                raise ValueError("too long")
    return answer.status_code, httpx.Response(200, content=bytes(content)).json()


async def discovered(http: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """What an OpenID provider says of itself (OpenID Connect Discovery 1.0 §4).

    Raises:
        BAD: it says nothing of use.
    """
    status, said = await document(http, url + _DISCOVERY)
    if status != httpx.codes.OK or not isinstance(said, dict):
        raise ValueError("no discovery")
    return said


def kept_secret(url: str, like: str) -> str:
    """`url`, unless it is plain HTTP and `like`, which names it, is not.

    Raises:
        BAD: it is, or is no URL.
    """
    if httpx.URL(like).scheme == "https" != httpx.URL(url).scheme:
        raise ValueError("it would go over plain HTTP")
    return url
