"""How does the package become what the broker serves? Unpacked, and made fit for any path."""

import gzip
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hilum.cli.ohif import pinned
from hilum.cli.ohif.fetch import CannotInstall, Told
from hilum.frontends.dicomweb.viewer_files import INDEX, PACKED

_DIST = PurePosixPath("package/dist")
_LICENCE = PurePosixPath("package/LICENSE")
_LEFT_OUT = frozenset(("ort", "google.js", "sw.js", "serve.json", "_headers", "_redirects"))
"""The ONNX runtime is for tools that load their models from elsewhere: 136 MB. The rest is for
other servers, and a service worker that loads its code from elsewhere."""
_PACKABLE = frozenset((".css", ".js", ".json", ".jsonc", ".svg", ".wasm", ".xml"))
_WORTH_PACKING = 4096  # bytes


@dataclass(frozen=True, slots=True)
class _Mend:
    """Something in the package that does not work here.

    Attributes:
        files: a pattern for the names of those that have it.
        times: how often it is in the package; another number means another package.
    """

    files: str
    old: bytes
    new: bytes
    times: int


_MENDS = (
    # It was built to be served at "/". The page says where it is; a worker is where its script is.
    _Mend(
        "*.js",
        b'__webpack_require__.p = "/";',
        b'__webpack_require__.p = self.PUBLIC_URL || self.location.pathname.replace(/[^/]*$/, "");',
        8,
    ),
    _Mend(
        "*.js",
        b"browserImportFunction('/dicom-microscopy-viewer/",
        b"browserImportFunction(window.PUBLIC_URL + 'dicom-microscopy-viewer/",
        1,
    ),
    _Mend("*.css", b"url(/a34f9d1faa5f3315.woff2)", b"url(a34f9d1faa5f3315.woff2)", 5),
    _Mend("manifest.json", b'"/assets/', b'"assets/', 9),
    _Mend("manifest.json", b'"./index.html"', b'"../../"', 1),
    # VOI LUT Function is a text in OHIF's metadata, of which only the first letter was looked at:
    # then nothing is shown of an image that has it, as those of mammography do.
    _Mend(
        "*.js",
        b"voiLutModule.voiLUTFunction[0]) ||",
        b"[voiLutModule.voiLUTFunction].flat()[0]) ||",
        1,
    ),
    # Videos were known by a transfer syntax that metadata need not tell; the class says it too.
    _Mend(
        "*.js",
        b"metadata.SOPClassUID === SOP_CLASS_UIDS.VIDEO_PHOTOGRAPHIC_IMAGE_STORAGE",
        b"/\\.77\\.1\\.[124]\\.1$/.test(metadata.SOPClassUID)",
        1,
    ),
    # A study without any modality, which DICOM JSON writes without "Value", broke the study list.
    _Mend(
        "*.js",
        b"i < ModalitiesInStudy.Value.length; i++",
        b"i < (ModalitiesInStudy.Value || []).length; i++",
        1,
    ),
)


def laid(package: Path, folder: Path, told: Told) -> int:
    """Unpack the package into a new folder; the number of files in it.

    Raises:
        CannotInstall: it is no such package, or has what it must not have.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True)
    count, mends = 0, Counter[_Mend]()
    try:
        with tarfile.open(package, "r:gz") as archive:
            for name, member in _members(archive):
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                content = archive.extractfile(member)
                if content is None:
                    raise CannotInstall(f"{name} in the package is no file")
                _write(path, _mended(path, content.read(), mends))
                count += 1
                told(count, count)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise CannotInstall(f"the package cannot be unpacked: {error}") from error
    if not (folder / INDEX).is_file() or any(mends[mend] != mend.times for mend in _MENDS):
        raise CannotInstall("the package is not what this version of Hilum can serve")
    return count


def _members(archive: tarfile.TarFile) -> Iterator[tuple[PurePosixPath, tarfile.TarInfo]]:
    """What is wanted of the package, by the path that it gets.

    Raises:
        CannotInstall: a path leads out of it, or there is more than there may be.
    """
    size = files = 0
    for member in archive:
        files, size = files + 1, size + member.size
        if files > pinned.MAX_FILES or size > pinned.MAX_UNPACKED:
            raise CannotInstall("the package has more in it than it should")
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name:
            raise CannotInstall("a path in the package leads out of it")
        if path == _LICENCE and member.isfile():
            yield PurePosixPath("LICENSE.txt"), member
        if not path.is_relative_to(_DIST) or member.isdir():
            continue
        if not member.isfile():
            raise CannotInstall(f"{path} in the package is no file")
        name = path.relative_to(_DIST)
        if name.parts and name.parts[0] not in _LEFT_OUT and name.suffix != ".map":
            yield name, member


def _mended(path: Path, content: bytes, mends: Counter[_Mend]) -> bytes:
    """A file of the package as it works here; what was mended is counted."""
    for mend in _MENDS:
        if path.match(mend.files):
            mends[mend] += content.count(mend.old)
            content = content.replace(mend.old, mend.new)
    return content


def _write(path: Path, content: bytes) -> None:
    """The file, and its twin for those who take it compressed."""
    path.write_bytes(content)
    if path.suffix in _PACKABLE and len(content) >= _WORTH_PACKING:
        packed = gzip.compress(content, 6, mtime=0)
        path.with_name(path.name + PACKED).write_bytes(packed)
