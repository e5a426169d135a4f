"""A small package that looks like the pinned one."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

from hilum.cli.ohif.laid import _MENDS

Member = tuple[str, bytes | tarfile.TarInfo]

PAGE = b"""<!doctype html><html><head><meta name="msapplication-config" content="/assets/b.xml">
<link rel="manifest" href="/manifest.json"><script>window.PUBLIC_URL="/"</script>
<script src="/app-config.js"></script><script defer src="/app.bundle.0f.js"></script></head></html>
"""


def mendable(kind: str) -> bytes:
    """What is mended in files of that kind, as often as it must be there."""
    return b"\n".join(mend.old * mend.times for mend in _MENDS if mend.files == kind)


WHOLE: tuple[Member, ...] = (
    ("package/package.json", b"{}"),
    ("package/LICENSE", b"The MIT License"),
    ("package/dist/index.html", PAGE),
    ("package/dist/app.bundle.0f.js", mendable("*.js") + b"//" + b"x" * 5000),
    ("package/dist/app.bundle.css", mendable("*.css")),
    ("package/dist/manifest.json", mendable("manifest.json")),
    ("package/dist/assets/logo.svg", b"<svg/>"),
    ("package/dist/0f.wasm", b"\0asm"),
    ("package/dist/app-config.js", b"window.config = {}"),
    ("package/dist/app.bundle.js.map", b"{}"),
    ("package/dist/ort/ort.wasm", b"\0asm"),
    ("package/dist/sw.js", b"importScripts()"),
)


def package(path: Path, members: Iterable[Member] = WHOLE) -> Path:
    """A tarball with those members: contents, or members that are no files."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def pointing(name: str, kind: bytes, to: str = "") -> tarfile.TarInfo:
    """A member that is no file: a link, a device."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info
