import os
from pathlib import Path

import pytest

from hilum.frontends.dicomweb.viewer_files import Installed, named


def lay(folder: Path, name: str, files: dict[str, bytes]) -> None:
    """A release, as `hilum viewer install` lays it down."""
    for path, content in {"index.html": b"<html>", **files}.items():
        file = folder / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    (folder / "new").write_text(name + "\n")
    (folder / "new").replace(folder / "release")


def test_where_nothing_is_installed_there_is_no_release(tmp_path: Path) -> None:
    assert Installed(tmp_path / "viewer").release() is None
    assert named(tmp_path / "viewer") is None


@pytest.mark.parametrize("mark", [b"", b"\xff\xfe", b"gone\n"])
def test_a_mark_that_names_nothing_is_no_release(mark: bytes, tmp_path: Path) -> None:
    (tmp_path / "release").write_bytes(mark)
    assert Installed(tmp_path).release() is None


def test_a_release_has_its_files_with_their_types_and_twins(tmp_path: Path) -> None:
    lay(tmp_path, "one", {"a/b.js": b"12345", "a/b.js.gz": b"1", "c.wasm": b"x", "d.odd": b""})
    release = Installed(tmp_path).release()
    assert release is not None
    assert sorted(release.files) == ["a/b.js", "c.wasm", "d.odd", "index.html"]
    script = release.files["a/b.js"]
    assert (script.size, script.packed) == (5, (tmp_path / "one" / "a" / "b.js.gz", 1))
    assert script.media_type == "text/javascript; charset=utf-8"
    assert release.files["c.wasm"].media_type == "application/wasm"
    assert release.files["d.odd"].media_type == "application/octet-stream"
    assert release.index == "<html>"


def test_another_release_is_seen_at_once(tmp_path: Path) -> None:
    installed = Installed(tmp_path)
    lay(tmp_path, "one", {})
    os.utime(tmp_path / "release", (1, 1))
    first = installed.release()
    assert installed.release() is first
    lay(tmp_path, "two", {})
    second = installed.release()
    assert (first and first.name, second and second.name) == ("one", "two")
    (tmp_path / "release").unlink()
    assert installed.release() is None
