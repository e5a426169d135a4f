"""The client of small requests finds the end of every answer."""

import socket
import threading
from collections.abc import Iterator

import pytest
from bench.clients import NotOffered
from bench.load import Reader, load

WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n3;x=y\r\n\r\n0\r\n0\r\nA-Trailer: x\r\n\r\n"
)
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("answer", [WITH_LENGTH, CHUNKED, EMPTY])
def test_the_cuts_of_the_network_do_not_show(answer: bytes, step: int) -> None:
    reader = Reader()
    pieces = [answer[at : at + step] for at in range(0, len(answer), step)]
    ends = [reader.feed(memoryview(piece)) for piece in pieces]
    assert ends == [False] * (len(pieces) - 1) + [True]


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that gives one answer to everything, on kept connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    while connection.recv(65536):
                        connection.sendall(request.param)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.parametrize("server", [WITH_LENGTH, CHUNKED], indirect=True)
def test_answers_are_counted(server: str) -> None:
    done = load([f"{server}/a", f"{server}/b"], "*/*", 1, 0.05)
    assert done.count > 1
    assert done.rate > 1
    assert 0 < done.p50 < 1


@pytest.mark.parametrize("server", [EMPTY], indirect=True)
def test_another_status_is_no_answer(server: str) -> None:
    with pytest.raises(NotOffered, match="204"):
        load([server], "*/*", 1, 0.05)
