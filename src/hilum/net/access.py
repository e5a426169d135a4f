"""Who we are to another web server, and which servers we trust."""

import ssl
from functools import partial
from typing import Final
from urllib.parse import urljoin, urlsplit

import anyio.to_thread

from hilum.config.mounts import Web
from hilum.net.tls import client

_PORTS: Final = {"http": 80, "https": 443}


def referred(base: str, reference: str) -> str:
    """The URL that a reference within `base` leads to (RFC 3986 §5); "" where it is none."""
    try:
        return urljoin(base, reference)
    except ValueError:  # half an IPv6 address
        return ""


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        port = 0
    return parts.scheme, (parts.hostname or "").lower(), port


async def tls(web: Web) -> ssl.SSLContext:
    """Whom to trust: the system's authorities, or those of `ca_file` and nobody else; who we are.

    Raises:
        BackendFault: its file cannot be read.
    """
    made = partial(client, web, web.ca_file, check_host=web.check_host)
    return await anyio.to_thread.run_sync(made)


def headers_of(web: Web) -> dict[str, str]:
    """The headers of the configuration, for every request; see `net.credentials` for ours."""
    return {
        name: value if isinstance(value, str) else value.get_secret_value()
        for name, value in web.headers.items()
    }
