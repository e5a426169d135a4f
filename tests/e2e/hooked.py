"""A receiver of notifications, as somebody who subscribes runs one."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE = 120.0  # seconds


@dataclass
class Told:
    """One notification."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def resource(self) -> dict[str, Any]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found


@dataclass
class Receiver:
    """What it got, and what it answers."""

    url: str
    told: list[Told] = field(default_factory=list)
    status: int = 200
    handshakes: int | None = None
    """What it answers to what is empty; None: the same."""

    def of(self, study: str) -> list[Told]:
        return [each for each in self.told if each.path.endswith(f"/ImagingStudy/{study}")]


def until(holds: Callable[[], object], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """It runs, at that port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status = receiver.status
            if not body and receiver.handshakes is not None:
                status = receiver.handshakes
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.told.append(Told(self.command, self.path, headers, body))
            self.send_response(status)
            if status == 307:
                self.send_header("Location", f"{receiver.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_PUT = _any  # noqa: N815 - as http.server wants it

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
