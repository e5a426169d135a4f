"""Against a registry that is a small web server here."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hilum.cli.ohif import pinned
from hilum.cli.ohif.fetch import CannotInstall, check, fetched

CONTENT = bytes(range(256)) * 5000


@contextmanager
def registry(content: bytes = CONTENT, status: int = 200, cut: int = 0) -> Iterator[str]:
    """The URL of one that has that content at the package's place."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = status if self.path.endswith(f"/@ohif/app/-/app-{pinned.VERSION}.tgz") else 404
            self.send_response(found)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) - cut])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/npm/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = base64.b64encode(hashlib.sha512(CONTENT).digest()).decode()
    monkeypatch.setattr(pinned, "INTEGRITY", f"sha512-{digest}")
    monkeypatch.setattr(pinned, "SIZE", len(CONTENT))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_it_comes_whole_and_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with registry() as url:
        fetched(url, tmp_path / "p.tgz", lambda done, total: told.append((done, total)))
    assert (tmp_path / "p.tgz").read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    check(tmp_path / "p.tgz")


def test_another_content_is_refused(tmp_path: Path) -> None:
    with registry(CONTENT[:-1] + b"!") as url:
        fetched(url, tmp_path / "p.tgz", lambda *_: None)
    with pytest.raises(CannotInstall, match="its SHA-512 is another"):
        check(tmp_path / "p.tgz")


def test_one_that_does_not_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    with registry(CONTENT * 20) as url, pytest.raises(CannotInstall, match="longer than"):
        fetched(url, tmp_path / "p.tgz", lambda *_: None)
    assert (tmp_path / "p.tgz").stat().st_size <= len(CONTENT)


def test_an_error_of_the_registry_is_told_in_one_line(tmp_path: Path) -> None:
    with registry(status=403) as url, pytest.raises(CannotInstall, match=r"HTTP status 403$"):
        fetched(url, tmp_path / "p.tgz", lambda *_: None)


def test_a_connection_that_breaks_is_told(tmp_path: Path) -> None:
    with registry(cut=100) as url, pytest.raises(CannotInstall):
        fetched(url, tmp_path / "p.tgz", lambda *_: None)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "ftp://registry/", "http://[/", "registry"])
def test_a_registry_that_is_not_there_is_told(url: str, tmp_path: Path) -> None:
    with pytest.raises(CannotInstall, match="app-3"):
        fetched(url, tmp_path / "p.tgz", lambda *_: None)
