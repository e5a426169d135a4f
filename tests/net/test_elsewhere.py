"""What a connection that goes elsewhere carries is seen in tests/e2e/test_workers.py."""

import os
import socket
from typing import Any

import pytest

from hilum.config.mounts import ArchiveMount, DicomwebMount
from hilum.config.schema import Settings
from hilum.net.elsewhere import LONGEST, Elsewhere
from hilum.net.guard import Message, Receive, Send
from hilum.net.homes import Homes
from hilum.net.letters import Letters

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name == "nt", reason="there is one process there"),
]
SETTINGS = Settings(
    mounts={
        "ARCHIVE": ArchiveMount(default=True),
        "WEB": DicomwebMount(backend="dicomweb", url="https://far.example/dicom-web"),
    }
)
HOMES = Homes(SETTINGS, 2)


def elsewhere(number: int) -> Elsewhere:
    box, to = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    found = Elsewhere(HOMES, number, Letters(box, [to]))
    box.close()
    to.close()
    return found


@pytest.mark.parametrize(
    ("data", "incomplete"),
    [
        (b"", True),
        (b"\r\n\r\n", True),
        (b"GET /aets/WEB", True),
        (b"\r\nGET /aets/WEB HTTP/1.1\r\n", False),
        (b"GET / HTTP/1.1\nHost: x", False),
        (b"x" * LONGEST, False),
    ],
)
def test_the_request_line_tells(data: bytes, incomplete: bool) -> None:  # noqa: FBT001
    assert elsewhere(0).is_incomplete(data) is incomplete


@pytest.mark.parametrize("path", [b"/aets/WEB/studies", b"/dicomweb/studies"])
@pytest.mark.parametrize("number", [0, 1])
async def test_a_request_that_came_to_the_wrong_one_is_not_answered_wrongly(
    path: bytes, number: int
) -> None:
    async def application(_scope: Any, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    guarded = elsewhere(number).only_here(application)
    await guarded({"type": "http", "raw_path": path, "path": path.decode()}, receive, send)
    right = HOMES.of_path(path.decode()) in {None, number}
    assert sent[0]["status"] == (200 if right else 503)
    if not right:
        assert (b"retry-after", b"1") in sent[0]["headers"]
        assert (b"connection", b"close") in sent[0]["headers"]
