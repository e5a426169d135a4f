"""By which URL does the client see us? (PS3.18 §8.2; RFC 7239 for what a proxy says)."""

import re
from functools import lru_cache
from urllib.parse import quote

from starlette.requests import Request

from hilum.config.schema import HttpSettings
from hilum.model.errors import BadRequest
from hilum.net.proxies import is_believed

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:[0-9]{1,5})?")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_LONG = 512  # characters, of what nobody needs a second time
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def service_root(request: Request, settings: HttpSettings) -> str:
    """The URL below which all our paths are, without a slash at its end.

    `public_url` where it is set; else what a trusted proxy says; else scheme and Host. The
    configured `base_path` comes after it, unless `public_url` ends in it already.

    Raises:
        BadRequest: the host name has characters that none can have.
    """
    base = settings.base_path
    if settings.public_root is not None:
        return settings.public_root
    scheme, host, prefix = request.scope["scheme"], request.headers.get("host", ""), ""
    if is_believed(settings, (request.scope.get("client") or ("", 0))[0]):
        scheme, host, prefix = _forwarded(request, scheme, host)
    server = request.scope.get("server") or ("localhost", None)
    seen = _seen if len(host) + len(prefix) < _LONG else _seen.__wrapped__
    return seen(scheme, host, prefix, tuple(server)) + base


@lru_cache(maxsize=256)
def _seen(scheme: str, host: str, prefix: str, server: tuple[str, int | None]) -> str:
    """The URL without our own path.

    Raises:
        BadRequest: the host name has characters that none can have.
    """
    address, port = server
    here = f"[{address}]" if ":" in address else address
    with_port = f":{port}" if port and str(port) != _DEFAULT_PORTS.get(scheme) else ""
    if not host or host == here:
        # Some clients leave the port out of Host (dicomweb-client does). Where Host is the very
        # address that they reached, no proxy stands between and the port can only be ours.
        host = here + with_port
    elif host == "localhost" and address in {"127.0.0.1", "::1"}:
        host += with_port
    if not _HOST.fullmatch(host):
        raise BadRequest("the Host header is no host name")
    return f"{scheme}://{host}{prefix}"


def mount_root(request: Request, settings: HttpSettings) -> str:
    """The URL of the mount that was addressed: `…/aets/{aet}` or `…/dicomweb`."""
    title = request.path_params.get("aet")
    path = "/dicomweb" if title is None else aet_path(title)
    return service_root(request, settings) + path


@lru_cache(maxsize=256)
def aet_path(title: str) -> str:
    """Where the mount of this AE title is."""
    return f"/aets/{quote(title, safe='')}"


def _forwarded(request: Request, scheme: str, host: str) -> tuple[str, str, str]:
    """Scheme, host and prefix as the outermost proxy was asked for them."""
    headers = request.headers
    said = _elements(headers.get("forwarded", ""))
    proto = said.get("proto") or _first(headers.get("x-forwarded-proto", ""))
    given = said.get("host") or _first(headers.get("x-forwarded-host", ""))
    if proto.lower() in _DEFAULT_PORTS:
        scheme = proto.lower()
    if given:
        host = given
    port = _first(headers.get("x-forwarded-port", ""))
    bare = ":" not in host.rpartition("]")[2]
    if port.isdecimal() and bare and port != _DEFAULT_PORTS[scheme]:
        host = f"{host}:{port}"
    prefix = _first(headers.get("x-forwarded-prefix", "")).rstrip("/")
    return scheme, host, prefix if _PREFIX.fullmatch(prefix) else ""


def _first(text: str) -> str:
    return text.partition(",")[0].strip()


def _elements(text: str) -> dict[str, str]:
    """The first element of a Forwarded header: `for=…;host="a:8443";proto=https`."""
    pairs = (pair.partition("=") for pair in _first(text).split(";"))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
