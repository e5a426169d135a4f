"""An audit repository: a syslog server that speaks TLS or TCP, in threads of its own."""

import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from xml.etree import ElementTree as ET

import trustme
from tests.peers import HOST


class Repository:
    """Takes messages, octet counted (RFC 5425 §4.3).

    Attributes:
        messages: that came, whole.
        connections: that were made, so far.
    """

    def __init__(self, context: ssl.SSLContext | None, port: int) -> None:
        self._context = context
        self._listener = socket.create_server((HOST, port))
        self.port: int = self._listener.getsockname()[1]
        self.messages: list[bytes] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._came = threading.Condition(threading.RLock())
        threading.Thread(target=self._accept, daemon=True).start()

    def events(self) -> list[str]:
        """The meaning of each message's EventID, and of its type."""
        with self._came:
            return [_event(each) for each in self.messages]

    def wait_for(self, *events: str, timeout: float = 60.0) -> list[str]:
        """Wait until all of these have come, each as often as it is named."""
        wanted = Counter(events)
        with self._came:
            found = self._came.wait_for(lambda: wanted <= Counter(self.events()), timeout)
        assert found, self.events()
        return self.events()

    def cut(self) -> None:
        """Break all connections, as a machine that falls does."""
        for each in self._open:
            with suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.shutdown(socket.SHUT_RDWR)
                each.close()
        self._open.clear()

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self.connections += 1
        with suppress(OSError, ValueError):
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            self._open.append(connection)
            with connection, connection.makefile("rb") as file:
                while True:
                    length = b""
                    while (digit := file.read(1)) != b" ":
                        length += digit
                        if not digit:
                            return
                    message = file.read(int(length))
                    if len(message) != int(length):
                        return
                    with self._came:
                        self.messages.append(message)
                        self._came.notify_all()


def _event(message: bytes) -> str:
    head, _, text = message.partition(b"\xef\xbb\xbf")
    assert head.endswith(b" DICOM+RFC3881 - "), head
    said = ET.fromstring(text).find("EventIdentification")  # noqa: S314 - our own
    assert said is not None
    return " / ".join(each.get("originalText") or "" for each in said if each.get("csd-code"))


@contextmanager
def repository(
    ca: trustme.CA | None = None, port: int = 0, name: str = HOST
) -> Iterator[Repository]:
    """One that shows a certificate of that authority; None: it speaks no TLS."""
    context = None
    if ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(name).configure_cert(context)
    made = Repository(context, port)
    try:
        yield made
    finally:
        made.close()


def trusted(ca: trustme.CA, folder: Path) -> Path:
    """A file with the certificate of the authority."""
    path = folder / "ca.pem"
    ca.cert_pem.write_to_path(path)
    return path
