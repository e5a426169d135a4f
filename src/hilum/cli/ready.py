"""`hilum ready`: whether the broker of this configuration serves."""

import http.client
import json
import socket
import ssl
import time
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from hilum.cli.common import ConfigOption, JsonOption, fail, reachable, settings
from hilum.cli.scu.ending import FAILURE, NO_CONNECTION
from hilum.config import units
from hilum.config.schema import Settings

command = typer.Typer(add_completion=False)
_PATIENCE = 15.0  # seconds; a mount has ten to say that it lives
_AGAIN = 0.2  # seconds
_MOST = 1024 * 1024  # bytes of an answer


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen at a door.

    Attributes:
        ready: whether it serves.
        at: the door.
        said: in words.
    """

    ready: bool
    at: str
    said: str


class _Silent(Exception):
    """Nobody listens at `at`."""

    def __init__(self, at: str, error: Exception) -> None:
        reason = error.strerror if isinstance(error, OSError) else ""
        super().__init__(f"{at}: {reason or error or type(error).__name__}")


@command.command()
def ready(
    *,
    wait: Annotated[
        str, typer.Option("--wait", metavar="TIME", help='How long to wait for it, as "30s".')
    ] = "0s",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the broker that runs with this configuration whether it serves.

    Its HTTP door is asked for /readyz, from this machine and without a login; with TLS it must
    show the certificate of the configuration. Ends with 0 when it serves, 1 when it says that it
    cannot, or another one listens there, 3 when nobody does.
    """
    found = settings(config)
    try:
        until = time.monotonic() + units.seconds(wait)
    except ValueError:
        fail('--wait: not a time; write it like "30s" or "2m"')
    while True:
        try:
            seen, code = look(found), FAILURE
        except _Silent as error:
            seen, code = Seen(ready=False, at="", said=str(error)), NO_CONNECTION
        if seen.ready or time.monotonic() >= until:
            break
        time.sleep(_AGAIN)
    if as_json:
        print(json.dumps(asdict(seen)))
    else:
        where = f" at {seen.at}" if seen.at else ""
        print(f"Hilum is {'ready' if seen.ready else 'not ready'}{where}: {seen.said}")
    raise typer.Exit(0 if seen.ready else code)


def look(found: Settings) -> Seen:
    """What the HTTP door says, else whether the DIMSE door listens.

    Raises:
        _Silent: nobody does.
    """
    if found.has_http:
        return _web(found)
    host, port = reachable(found.dimse.bind), found.dimse.port
    at = f"{host} port {port}"
    try:
        socket.create_connection((host, port), _PATIENCE).close()
    except OSError as error:
        raise _Silent(at, error) from error
    return Seen(ready=True, at=at, said="the DIMSE door listens")


def _web(found: Settings) -> Seen:
    host, port = reachable(found.http.bind), found.http.port
    shown = f"[{host}]" if ":" in host else host
    at = f"{'https' if found.http.tls else 'http'}://{shown}:{port}{found.http.base_path}"
    asked = (
        http.client.HTTPSConnection(host, port, timeout=_PATIENCE, context=_pinned())
        if found.http.tls
        else http.client.HTTPConnection(host, port, timeout=_PATIENCE)
    )
    try:
        asked.connect()
        if not _is_ours(asked, found):
            return Seen(ready=False, at=at, said="shows another certificate than tls.certificate")
        asked.request("GET", f"{found.http.base_path}/readyz")
        answer = asked.getresponse()
        body = answer.read(_MOST)
    except ssl.SSLError as error:
        if found.tls.client_certificates != "required":
            raise _Silent(at, error) from error
        return Seen(ready=True, at=at, said="it listens, and wants a certificate of who asks more")
    except (OSError, http.client.HTTPException) as error:
        raise _Silent(at, error) from error
    finally:
        asked.close()
    return Seen(ready=answer.status == http.client.OK, at=at, said=_status(answer.status, body))


def _pinned() -> ssl.SSLContext:
    """Speaks with anybody: `_is_ours` looks whose certificate it is.

    It is ourselves, at an address that the certificate need not name, by whomever it is signed.
    With TLS 1.3 a door that wants a certificate shows its own first.
    """
    context = ssl._create_unverified_context()  # noqa: S323, SLF001
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _is_ours(asked: http.client.HTTPConnection, found: Settings) -> bool:
    """Whether it is our broker that answers: it has the very certificate of the configuration."""
    if not isinstance(asked.sock, ssl.SSLSocket) or found.tls.certificate is None:
        return not found.http.tls
    from hilum.net import tls  # noqa: PLC0415 - only where TLS is spoken

    try:
        return asked.sock.getpeercert(binary_form=True) == tls.ours(found.tls.certificate)
    except tls.CannotLoad:
        return False


def _status(status: int, body: bytes) -> str:
    """What it says of its mounts: `healthy`, or in which state they are."""
    try:
        told = json.loads(body)["status"]
    except (ValueError, KeyError, TypeError):
        return f"answers with {status}"
    return {
        "degraded": "degraded: a mount cannot be reached",
        "unhealthy": "unhealthy: no mount can be reached",
    }.get(told, str(told))
