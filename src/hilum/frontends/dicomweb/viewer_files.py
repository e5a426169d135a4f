"""Which viewer is installed, and what files does it have? As `hilum viewer install` left it.

The folder holds one folder for each release, and the file `release` with the name of the one that
is served. A release never changes: what is new has another name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MARK = "release"  # the file that names the release which is served
INDEX = "index.html"
PACKED = ".gz"  # ending of a file's compressed twin
OCTETS = "application/octet-stream"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".jsonc": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webapp": "application/json",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
"""Not the machine's own table: that of some has no WebAssembly, which no browser then compiles."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a release.

    Attributes:
        size: bytes.
        packed: its twin, compressed by gzip, and the bytes of that; None: there is none.
    """

    path: Path
    size: int
    media_type: str
    packed: tuple[Path, int] | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """One release of the viewer.

    Attributes:
        name: of its folder; it changes with every byte that changes.
        files: by path within it, with slashes; nothing else can be asked for.
        index: the page that everything begins with.
        installed: seconds since 1970.
    """

    name: str
    files: Mapping[str, File]
    index: str
    installed: float


class Installed:
    """What lies in that folder, looked up again when another release is installed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: tuple[int, Release | None] = (0, None)

    def release(self) -> Release | None:
        """The release that is served; None: there is none. It reads the disk."""
        try:
            at = (self._folder / MARK).stat().st_mtime_ns
            if at != self._known[0]:
                self._known = (at, _release(self._folder))
        except (OSError, UnicodeDecodeError):
            return None
        return self._known[1]


def named(folder: Path) -> str | None:
    """The name of the release that is served from that folder."""
    try:
        return (folder / MARK).read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _release(folder: Path) -> Release | None:
    """The release that the folder names.

    Raises:
        OSError, UnicodeDecodeError: it cannot be read.
    """
    name = named(folder)
    if name is None:
        return None
    root = folder / name
    return Release(
        name=name,
        files=_files(root),
        index=(root / INDEX).read_text("utf-8"),
        installed=(folder / MARK).stat().st_mtime,
    )


def _files(root: Path) -> dict[str, File]:
    sizes = {path: path.stat().st_size for path in root.rglob("*") if path.is_file()}
    found = {}
    for path, size in sizes.items():
        if path.suffix == PACKED:
            continue
        twin = path.with_name(path.name + PACKED)
        packed = (twin, sizes[twin]) if twin in sizes else None
        kind = TYPES.get(path.suffix, OCTETS)
        found[path.relative_to(root).as_posix()] = File(path, size, kind, packed)
    return found
