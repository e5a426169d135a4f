"""How does the study browser reach the browser? A page and a few scripts, kept in this package."""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib import resources
from string import Template
from urllib.parse import urlsplit

import orjson
from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.media_type import HTML
from hilum.config.schema import HttpSettings
from hilum.frontends.dicomweb.root import service_root
from hilum.model.dictionary import TAGS
from hilum.model.errors import NotFound

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
_NAMES = "names.json"  # made of the dictionary of PS3.6
_BASE = '<base href="/">'
_SAFE = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'self'; "
        "form-action 'self'; frame-ancestors 'self'"
    ),
}


@dataclass(frozen=True, slots=True)
class _File:
    """One file of the page.

    Attributes:
        tag: its entity tag (RFC 9110 §8.8.3).
    """

    content: bytes
    kind: str
    tag: str


def start(request: Request) -> Response:
    """The page itself, whose links begin at our root, whatever proxy stands before it."""
    headers = {**_SAFE, "Vary": "Accept", "Cache-Control": "no-cache"}
    return Response(filled(request, "index.html", {}), headers=headers, media_type=HTML)


def filled(request: Request, name: str, said: Mapping[str, str]) -> str:
    """A page of ours, with these texts where it has their names."""
    settings: HttpSettings = request.app.state.settings
    base = html.escape(urlsplit(service_root(request, settings)).path + "/")
    text = _read(name).decode().replace(_BASE, f'<base href="{base}">')
    texts = {key: html.escape(value) for key, value in said.items()}
    return Template(text).safe_substitute(texts)


async def asset(request: Request) -> Response:
    """`GET /ui/{file}`: a script, a style, a picture, or the names of the attributes.

    Raises:
        NotFound: there is no such file.
    """
    file = _file(request.path_params["file"])
    headers = {**_SAFE, "ETag": file.tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.kind)


@lru_cache(maxsize=64)
def _file(name: str) -> _File:
    kind = _TYPES.get(name.rpartition(".")[2])
    if kind is None or "/" in name:
        raise NotFound("there is no such file")
    content = _names() if name == _NAMES else _read(name)
    return _File(content, kind, f'"{sha256(content).hexdigest()[:24]}"')


def _read(name: str) -> bytes:
    try:
        return resources.files("hilum.frontends.dicomweb").joinpath("web", name).read_bytes()
    except OSError:
        raise NotFound("there is no such file") from None


def _names() -> bytes:
    """What the attributes are called, by tag (PS3.6 §6)."""
    return orjson.dumps({f"{tag:08X}": entry[2] for tag, entry in TAGS.items()})
