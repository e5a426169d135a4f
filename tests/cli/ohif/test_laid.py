import gzip
import tarfile
from pathlib import Path

import pytest
from tests.cli.ohif.made import WHOLE, Member, package, pointing

from hilum.cli.ohif import pinned
from hilum.cli.ohif.fetch import CannotInstall
from hilum.cli.ohif.laid import laid


def quiet(_done: int, _total: int) -> None:
    pass


def unpacked(tmp_path: Path, *more: Member) -> Path:
    laid(package(tmp_path / "p.tgz", (*WHOLE, *more)), tmp_path / "new", quiet)
    return tmp_path / "new"


def test_what_the_browser_needs_is_laid_down_with_the_licence(tmp_path: Path) -> None:
    root = unpacked(tmp_path)
    names = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert names == {
        *("index.html", "app.bundle.0f.js", "app.bundle.0f.js.gz", "app.bundle.css"),
        *("manifest.json", "assets/logo.svg", "0f.wasm", "app-config.js", "LICENSE.txt"),
    }


def test_a_script_does_not_care_where_it_is_served(tmp_path: Path) -> None:
    root = unpacked(tmp_path)
    script = (root / "app.bundle.0f.js").read_bytes()
    assert b'.p = "/"' not in script
    assert script.count(b"self.PUBLIC_URL || self.location") == 8
    assert gzip.decompress((root / "app.bundle.0f.js.gz").read_bytes()) == script
    assert b"url(/" not in (root / "app.bundle.css").read_bytes()
    assert b'"/assets' not in (root / "manifest.json").read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "package/dist/../../evil.js",
        "/etc/evil.js",
        "package/dist/..\\..\\evil.js",
        "C:/evil.js",
        "package/dist/a/../../../b.js",
    ],
)
def test_a_path_that_leads_out_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CannotInstall, match="leads out of it"):
        unpacked(tmp_path, (name, b"x"))
    assert not list(tmp_path.parent.rglob("evil.js"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_a_link_or_a_device_is_refused(kind: bytes, tmp_path: Path) -> None:
    member = pointing("package/dist/x.js", kind, "/etc/passwd")
    with pytest.raises(CannotInstall, match="is no file"):
        unpacked(tmp_path, ("x", member))


def test_one_that_says_it_is_huge_is_refused_before_it_is_read(tmp_path: Path) -> None:
    bomb = tarfile.TarInfo("package/dist/bomb.js")
    bomb.size = pinned.MAX_UNPACKED + 1
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as archive:
        archive.fileobj.write(bomb.tobuf())  # type: ignore[union-attr]  # it is there
    with pytest.raises(CannotInstall, match="more in it than it should"):
        laid(tmp_path / "p.tgz", tmp_path / "new", quiet)


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    many = [(f"package/dist/{n}.txt", b"") for n in range(pinned.MAX_FILES)]
    with pytest.raises(CannotInstall, match="more in it than it should"):
        unpacked(tmp_path, *many)


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"not gzip", gzip.compress(b"not tar" * 100)):
        (tmp_path / "p.tgz").write_bytes(content)
        with pytest.raises(CannotInstall):
            laid(tmp_path / "p.tgz", tmp_path / f"new{len(content)}", quiet)


def test_one_cut_off_is_refused(tmp_path: Path) -> None:
    whole = package(tmp_path / "p.tgz").read_bytes()
    (tmp_path / "p.tgz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CannotInstall):
        laid(tmp_path / "p.tgz", tmp_path / "new", quiet)


def test_one_in_which_there_is_something_else_to_mend_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotInstall, match="this version of Hilum"):
        unpacked(tmp_path, ("package/dist/1.js", b'__webpack_require__.p = "/";'))
