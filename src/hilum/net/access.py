"""Who we are to another web server, and which servers we trust."""

import ssl
from base64 import b64encode
from typing import Final
from urllib.parse import urlsplit

import anyio.to_thread

from hilum.config.mounts import Web
from hilum.net.tls import client

_PORTS: Final = {"http": 80, "https": 443}


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port."""
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        port = 0
    return parts.scheme, (parts.hostname or "").lower(), port


async def tls(web: Web) -> ssl.SSLContext:
    """Whom to trust: the system's authorities, and that of the configuration; and who we are.

    Raises:
        BackendFault: its file cannot be read.
    """
    return await anyio.to_thread.run_sync(_tls, web)


def _tls(web: Web) -> ssl.SSLContext:
    context = client(web, web.ca_file, check_host=web.check_host)
    if web.ca_file is not None:
        context.load_default_certs()
    return context


def headers_of(web: Web) -> dict[str, str]:
    """What every request says: our credentials, and the headers of the configuration."""
    said = {}
    if web.bearer is not None:
        said["Authorization"] = f"Bearer {web.bearer.get_secret_value()}"
    elif web.username is not None:
        password = web.password.get_secret_value() if web.password is not None else ""
        pair = f"{web.username}:{password}".encode()
        said["Authorization"] = "Basic " + b64encode(pair).decode()
    for each, value in web.headers.items():
        said[each] = value if isinstance(value, str) else value.get_secret_value()
    return said
