"""An application with sample files in memory, and a workshop that is this very process."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pydicom
from PIL import Image
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests import samples

from hilum.backends.memory import Memory
from hilum.codec.part10 import read_head
from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.frontends.dicomweb.app import application
from hilum.model.instance import Instance
from hilum.net.pieces import Pieces


class Bench:
    """A workshop without processes; it counts."""

    spare = 2

    def __init__(self) -> None:
        self.done = 0

    async def run(self, work: Callable[..., Any], *args: object, limit: float | None = None) -> Any:
        assert limit is None or limit > 0
        self.done += 1
        return work(*args)


def sample(name: str) -> Path:
    return next(
        path for path in [*samples.GOOD, *samples.DERIVED, *samples.EDGE] if path.name == name
    )


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def keep(memory: Memory, data: bytes) -> None:
    head = read_head(data, complete=True)
    assert head is not None
    dataset = pydicom.dcmread(BytesIO(data), specific_tags=["SOPInstanceUID", "SOPClassUID"])
    async with memory.open() as session:
        stored = await session.store(
            Instance(
                dataset.SOPInstanceUID,
                dataset.SOPClassUID,
                head.transfer_syntax_uid,
                _chunks(data[head.offset :]),
            )
        )
    assert stored.failure is None, stored.failure


def url(path: Path) -> str:
    """Where the instance of a sample is."""
    dataset = pydicom.dcmread(path, stop_before_pixels=True)
    study, series = dataset.StudyInstanceUID, dataset.SeriesInstanceUID
    return f"/dicomweb/studies/{study}/series/{series}/instances/{dataset.SOPInstanceUID}"


def _joined(app: ASGIApp) -> ASGIApp:
    """The application for who takes bodies as ASGI has them, not in the pieces of our server."""

    async def called(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            body = message.get("body")
            if isinstance(body, Pieces):
                message = {**message, "body": b"".join(body.pieces)}
            await send(message)

        await app(scope, receive, sent)

    return called


@asynccontextmanager
async def showing(
    files: Iterable[Path], workshop: Any = None, **abilities: Any
) -> AsyncIterator[httpx.AsyncClient]:
    memory = Memory("ONE")
    for file in files:
        await keep(memory, file.read_bytes())
    given = {"finds": memory, "retrieves": memory, "describes": memory, "lends": memory}
    mount = Mount(name="ONE", backend="memory", **{**given, **abilities})
    app = application(
        Broker(Mounts({"ONE": mount}, "ONE")),
        HttpSettings(port=0),
        workshop=workshop or Bench(),
    )
    transport = httpx.ASGITransport(_joined(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def opened(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    image = Image.open(BytesIO(answer.content))
    image.load()
    assert Image.MIME[image.format or ""] == answer.headers["content-type"]
    return image
