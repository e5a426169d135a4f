"""The floor of HTTP: a server with ready answers that looks for the end of a request, no further.

    python -m bench.floors.answers PORT FOLDER

GET /NAME is answered with the content of FOLDER/NAME. POST has the parts of its multipart body
written to files in FOLDER, and is answered once they are synced.
"""

import re
import socket
import sys
from mmap import mmap
from pathlib import Path

from bench.floors.forked import received, serve
from bench.floors.kept import Kept

_BUFFER = 8 * 1024 * 1024  # bytes; a part must fit into half of it
_SMALL = 1024 * 1024  # bytes of an answer that is kept, and sent at once
_PIECE = 256 * 1024  # bytes of a longer one: what the caches hold is quicker than sendfile
_REQUEST = 64 * 1024  # bytes read of a request
_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LINE = b"\r\n"
_BOUNDARY = re.compile(rb"boundary=([\w-]+)")


class Server:
    """What one process does for the connection that it has."""

    def __init__(self, folder: Path, connection: socket.socket) -> None:
        self._folder = folder
        self._connection = connection
        self._answers: dict[bytes, bytes] = {}
        self._buffer = mmap(-1, _BUFFER)
        self._view = memoryview(self._buffer)
        self._kept: Kept | None = None
        self._count = 0

    def run(self) -> None:
        """Answer until the connection is closed."""
        end = 0
        while True:
            end += received(self._connection, self._view[end : end + _REQUEST])
            head = self._buffer.find(_END, 0, end)
            if head < 0:
                continue
            method, target, _ = bytes(self._buffer[:head]).split(b" ", 2)
            if method == b"POST":
                self._take(head + len(_END), end)
            else:
                self._give(target[1:])
            end = 0

    def _give(self, name: bytes) -> None:
        answer = self._answers.get(name)
        if answer is not None:
            self._connection.sendall(answer)
            return
        path = self._folder / name.decode()
        size = path.stat().st_size
        if size <= _SMALL:
            self._answers[name] = _OK % size + path.read_bytes()
            self._give(name)
            return
        self._connection.sendall(_OK % size)
        piece = self._view[:_PIECE]
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(piece):
                self._connection.sendall(piece[:count])

    def _take(self, body: int, end: int) -> None:
        """Keep the parts of the body that begins there."""
        head = self._buffer[:body]
        length, boundary = _LENGTH.search(head), _BOUNDARY.search(head)
        if length is None or boundary is None:
            raise EOFError
        left, marker = int(length[1]) - (end - body), _LINE + b"--" + boundary[1]
        searched, start = body - len(_LINE), -1
        kept = self._kept = self._kept or Kept(self._folder)
        while True:
            between = self._buffer.find(marker, searched, end)
            if between >= 0:
                if start >= 0:
                    data = self._buffer.find(_END, start) + len(_END)
                    self._count += 1
                    kept.begin(f"{self._count}.dcm", [self._view[data:between]])
                searched = start = between + len(marker)
            elif left:
                searched = max(searched, end - len(marker))
                if end > _BUFFER // 2:
                    self._view[: end - start] = self._view[start:end]
                    searched, start, end = searched - start, 0, end - start
                count = received(self._connection, self._view[end:])
                end, left = end + count, left - count
            else:
                break
        kept.end()
        self._connection.sendall(_OK % 0)


if __name__ == "__main__":
    _port, _folder = sys.argv[1:]
    serve(int(_port), lambda connection: Server(Path(_folder), connection).run())
