"""How is the viewer, OHIF, served? Its files at `/viewer`, and a configuration for our mounts."""

import hashlib
import re
from base64 import b64encode
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from html import escape
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import urlsplit

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.login import Login
from hilum.frontends.dicomweb.compressed import coding
from hilum.frontends.dicomweb.entity_tag import is_known, unchanged
from hilum.frontends.dicomweb.root import service_root
from hilum.frontends.dicomweb.streamed import Answer, Headers, Streamed
from hilum.frontends.dicomweb.viewer_config import app_config, to_login
from hilum.frontends.dicomweb.viewer_files import TYPES, File, Installed, Release
from hilum.frontends.dicomweb.who import sees, who
from hilum.model.errors import NotFound
from hilum.model.principal import Right

_QUERY = frozenset((Right.QUERY,))
PIECE = 256 * 1024  # bytes read at a time
STATIC = "static"  # below it and the release's name are files that never change
CONFIG = "app-config.js"
FOR_EVER = "public, max-age=31536000, immutable"
_HTML = "text/html; charset=utf-8"
_SCRIPT = "text/javascript; charset=utf-8"
_LINK = re.compile(r'((?:href|src|content|PUBLIC_URL)=")/')
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_ABSENT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>No viewer</title></head>
<body><h1>The viewer is not installed</h1>
<p>To install OHIF, run on the server, with the configuration that it runs with:</p>
<pre>hilum viewer install</pre>
<p>Then load this page again; the server need not be started again.
The DICOMweb service is at <a href="{root}/">{root}/</a>.</p></body></html>
"""


async def viewer(request: Request) -> Response:
    """`GET /viewer` and all below: a file, the configuration, or the page that shows the rest.

    Raises:
        NotFound: the viewer is switched off, or a file is asked for that there is not.
    """
    installed: Installed | None = request.app.state.viewer
    if installed is None:
        raise NotFound("the viewer is switched off (http.viewer)")
    settings: HttpSettings = request.app.state.settings
    prefix = urlsplit(service_root(request, settings)).path
    release = await to_thread.run_sync(installed.release)
    if release is None:
        return Response(_ABSENT.format(root=escape(prefix)), 404, media_type=_HTML)
    path = request.path_params.get("path", "")
    if path == CONFIG:
        broker: Broker = request.app.state.broker
        seen = [each for each in broker.mounts if sees(request, each.name, _QUERY)]
        script = app_config(seen, broker.mounts.default, prefix)
        login: Login = request.app.state.login
        if login.is_on:
            nobody = not who(request.scope).is_known
            script += to_login(prefix, now=nobody and login.policy.lets_nobody_in)
        return _made(request, script, _SCRIPT, [_policy()])
    if path.startswith(f"{STATIC}/"):
        name, _, path = path.removeprefix(f"{STATIC}/").partition("/")
        if name != release.name or path not in release.files:
            raise NotFound("the viewer has no such file")
        return _file(request, release, release.files[path], FOR_EVER)
    if path in release.files:
        return _file(request, release, release.files[path], "no-cache")
    if PurePosixPath(path).suffix in TYPES:
        raise NotFound("the viewer has no such file")
    page = _page(release, f"{prefix}/viewer/")
    return _made(request, page, _HTML, [_policy(page)])


def _page(release: Release, root: str) -> str:
    """The page, whose links lead to the files of that release."""
    page = _LINK.sub(rf"\g<1>{root}{STATIC}/{release.name}/", release.index)
    return page.replace(f"{STATIC}/{release.name}/{CONFIG}", CONFIG)


def _policy(page: str = "") -> tuple[str, str]:
    """What the page, and each worker, may load and run: what is here, and nothing from elsewhere.

    The viewer compiles WebAssembly and, in its libraries, functions out of text; its styles are
    made as it runs; decoders are workers made from blobs; a PDF is shown as an object.
    """
    hashes = [hashlib.sha256(each.encode()).digest() for each in _INLINE.findall(page)]
    inline = " ".join(f"'sha256-{b64encode(each).decode()}'" for each in hashes)
    return "Content-Security-Policy", (
        f"default-src 'self'; script-src 'self' 'wasm-unsafe-eval' 'unsafe-eval' blob: {inline}; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' data: blob:; worker-src 'self' blob:; media-src 'self' blob:; "
        "object-src 'self' blob:; frame-src 'self' blob:; frame-ancestors 'self'; base-uri 'self'"
    )


def _made(request: Request, text: str, kind: str, more: Headers) -> Response:
    """What is made for each request: small, and asked for again each time."""
    content = text.encode()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = [("ETag", tag), ("Cache-Control", "no-cache"), *more]
    if is_known(request, tag):
        return unchanged(dict(headers))
    return Response(content, headers=dict(headers), media_type=kind)


def _file(request: Request, release: Release, file: File, caching: str) -> Response:
    """A file, compressed where it has a compressed twin and the client takes that."""
    path, size, encoding = file.path, file.size, ""
    if file.packed is not None and (encoding := coding(request, ("gzip",))):
        path, size = file.packed
    tag = f'"{release.name}{"-gzip" if encoding else ""}"'
    headers = [
        ("ETag", tag),
        ("Last-Modified", formatdate(release.installed, usegmt=True)),
        ("Cache-Control", caching),
        _policy(),
    ]
    if file.packed is not None:
        headers.append(("Vary", "Accept-Encoding"))
    if is_known(request, tag):
        return unchanged(dict(headers))
    headers.append(("Content-Type", file.media_type))
    if encoding:
        headers.append(("Content-Encoding", encoding))
    return Streamed(request, _Read(path, size, headers).opened)


@dataclass(frozen=True, slots=True)
class _Read:
    """A file on its way to an answer."""

    path: Path
    size: int
    headers: Headers

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Answer]:
        """The answer.

        Raises:
            NotFound: the file is gone: another release was installed just now.
        """
        try:
            file = await to_thread.run_sync(self.path.open, "rb")
        except OSError as error:
            raise NotFound("the viewer has no such file") from error
        try:
            yield Answer(200, self.headers, _pieces(file), self.size)
        finally:
            await to_thread.run_sync(file.close)


async def _pieces(file: BinaryIO) -> AsyncGenerator[bytes, None]:
    while piece := await to_thread.run_sync(file.read, PIECE):
        yield piece
