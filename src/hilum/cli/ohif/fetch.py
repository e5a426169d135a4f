"""How does the package come from a registry into a file? By HTTP, and no byte more."""

import base64
import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path

import httpx

from hilum.cli.ohif import pinned

TIMEOUT = 30.0  # seconds without a byte
_PIECE = 1024 * 1024  # bytes read at a time

Told = Callable[[int, int], None]
"""Called with what is done and what there is to do."""


class CannotInstall(Exception):
    """The viewer is not to be had; the text says why, in one line."""


def fetched(registry: str, to: Path, told: Told) -> None:
    """Fetch the pinned package into a file.

    The settings of proxies and certificates in the environment count, as for npm.

    Raises:
        CannotInstall: the registry cannot be reached, or has another package.
        OSError: the file cannot be written.
    """
    url = pinned.url(registry)
    try:
        with (
            httpx.Client(timeout=TIMEOUT, follow_redirects=True, verify=_trusted()) as client,
            client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer,
            to.open("wb") as file,
        ):
            answer.raise_for_status()
            done = 0
            for piece in answer.iter_raw(_PIECE):
                done += len(piece)
                if done > pinned.SIZE:
                    raise CannotInstall(
                        f"{url} is longer than {pinned.SIZE} bytes: not that package"
                    )
                file.write(piece)
                told(done, pinned.SIZE)
    except httpx.HTTPStatusError as error:
        raise CannotInstall(f"{url}: HTTP status {error.response.status_code}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CannotInstall(f"{url}: {error or type(error).__name__}") from error


def _trusted() -> ssl.SSLContext:
    """The usual authorities, and those of this machine: the organisation may have one."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


def check(file: Path) -> None:
    """See that a file is the pinned package, by its SHA-512.

    Raises:
        CannotInstall: it is another.
        OSError: it cannot be read.
    """
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha512")
    if f"sha512-{base64.b64encode(found.digest()).decode()}" != pinned.INTEGRITY:
        raise CannotInstall(
            f"{file.name} is not {pinned.PACKAGE} {pinned.VERSION}: its SHA-512 is another"
        )
