"""Who is refused is told so in the middle of its upload, whatever it goes on sending.

To any client, plain and by TLS; with Expect: 100-continue and without; with Content-Length and in
chunks. HTTP/1.1 is all that is spoken: a client that offers HTTP/2 agrees on that.
"""

import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from tests import peers
from tests.e2e.test_doors import opened
from tests.e2e.visitors import Issuer, Place

from hilum.net.guard import DRAIN

HUGE = 10 * 10**9  # bytes
PIECE = bytes(1024 * 1024)
LONG = 20 * len(PIECE)
CONFIGURED = 'max_upload_size = "10MB"\n'


@pytest.fixture(scope="module", params=["plain", "tls"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("refusals")
    with opened(folder, Issuer(), tls=request.param == "tls", http=CONFIGURED) as found:
        yield found


@contextmanager
def connected(place: Place) -> Iterator[socket.socket]:
    """A connection, by TLS where the door speaks it."""
    port = urlsplit(place.hilum.root).port
    with socket.create_connection((peers.HOST, port or 0), timeout=60) as plain:
        if place.tls is None:
            yield plain
            return
        context = ssl.create_default_context(cafile=str(place.tls))
        with context.wrap_socket(plain, server_hostname=peers.HOST) as spoken:
            yield spoken


def head(*more: str, path: str = "/aets/ARCHIVE/studies") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/dicom", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def refused(place: Place) -> dict[str, tuple[str, int]]:
    """An Authorization header, and the status that a huge upload gets with it."""
    return {
        "wrong token": ("Bearer x", 401),
        "not allowed": (f"Bearer {place.issuer.token('query')}", 403),
        "too long": (f"Bearer {place.issuer.token('store')}", 413),
    }


def test_the_answer_is_there_before_the_body(place: Place) -> None:
    length = f"Content-Length: {HUGE}"
    for shown, status in refused(place).values():
        for more in ((), ("Expect: 100-continue",)):
            with connected(place) as connection:
                connection.sendall(head(f"Authorization: {shown}", length, *more))
                answer = connection.recv(65536)
                assert answer.startswith(b"HTTP/1.1 %d " % status)  # and no 100 before it


def test_what_is_sent_all_the_same_is_thrown_away_as_far_as_that_goes(place: Place) -> None:
    with connected(place) as connection:
        connection.sendall(head("Authorization: Bearer x", f"Content-Length: {HUGE}"))
        answer = connection.recv(65536)
        sent = 0
        with suppress(OSError):
            while sent < HUGE:
                connection.sendall(PIECE)
                sent += len(PIECE)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert sent < 2 * DRAIN


def test_curl_is_told(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "big.dcm"
    with file.open("wb") as big:
        big.truncate(LONG)
    url = f"{place.hilum.root}/aets/ARCHIVE/studies"
    for shown, status in refused(place).values():
        for more in ((), ("-H", "Expect:"), ("-H", "Transfer-Encoding: chunked")):
            done = subprocess.run(
                [
                    *(str(peers.tool("curl", "curl")), "--silent", "--max-time", "60"),
                    *("--noproxy", "*", "--output", "-", "--write-out", "\n%{http_code}"),
                    *("-H", f"Authorization: {shown}", "-H", "Content-Type: application/dicom"),
                    *(("--cacert", str(place.tls)) if place.tls else ()),
                    *(*more, "-X", "POST", "-T", str(file), url),
                ],
                capture_output=True,
                text=True,
                timeout=90,
                check=False,
            )
            assert done.stdout.endswith(f"}}\n{status}"), (more, done.stderr)


@pytest.mark.parametrize("in_chunks", [True, False])
def test_httpx_is_told(place: Place, *, in_chunks: bool) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(LONG // len(PIECE)):
            yield PIECE

    length = {} if in_chunks else {"Content-Length": str(LONG)}
    with place.client() as client:
        for shown, status in refused(place).values():
            headers = {"Authorization": shown, "Content-Type": "application/dicom", **length}
            answer = client.post("/aets/ARCHIVE/studies", content=pieces(), headers=headers)
            assert answer.status_code == status


def test_a_client_that_speaks_http_2_comes_down_to_1_1(place: Place) -> None:
    if place.tls is None:
        pytest.skip("without TLS nothing is agreed on")
    verify = ssl.create_default_context(cafile=str(place.tls))
    with httpx.Client(base_url=place.hilum.root, http2=True, verify=verify) as client:
        answer = client.post("/aets/ARCHIVE/studies", content=PIECE)
        assert (answer.status_code, answer.http_version) == (401, "HTTP/1.1")
