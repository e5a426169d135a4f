import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.frontends.dicomweb.backend import Scripted

from hilum.codec import dicom_xml, media_type
from hilum.codec.multipart import MultipartReader, PartData, PartStarted
from hilum.config.schema import HttpSettings
from hilum.core.backend import Transcodes
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.frontends.dicomweb.app import application
from hilum.net.http import serve
from hilum.workshop.pool import Workshop

Served = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@asynccontextmanager
async def _served(
    *backends: object,
    default: str | None = "ONE",
    transcodes: Transcodes | None = None,
    viewer: Path | None = None,
    workshop: Workshop | None = None,
    scheme: str = "http",
    **settings: object,
) -> AsyncIterator[httpx.AsyncClient]:
    """The application on a real port, and a client for it; nothing is left of either.

    It is told that `scheme`, whatever is spoken.
    """
    names = ("ONE", "TWO", "THREE")
    mounts = {
        name: Mount(
            name=name,
            backend="scripted",
            echoes=backend,
            finds=backend,
            retrieves=backend,
            describes=backend,
            lends=getattr(backend, "lend", None) and backend,
            versions=backend if getattr(backend, "now", None) is not None else None,
            stores=backend,
            stores_at_once=getattr(backend, "at_once", 1),
        )
        for name, backend in zip(names, backends, strict=False)
    }
    options = HttpSettings(port=0, **{"graceful_shutdown": 2.0, **settings})
    broker = Broker(Mounts(mounts, default), transcodes=transcodes)
    whole = application(broker, options, viewer=viewer, workshop=workshop)

    async def app(scope: Any, *more: Any) -> None:
        scope["scheme"] = scheme
        await whole(scope, *more)

    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    before = len(asyncio.all_tasks())

    def started(_host: str, bound: int) -> None:
        port.set_result(bound)

    async with asyncio.TaskGroup() as group:
        group.create_task(serve(app, options, started=started, stop=stop))
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{await port}", timeout=20
            ) as client:
                yield client
        finally:
            stop.set()
    assert len(asyncio.all_tasks()) == before
    for backend in backends:
        if isinstance(backend, Scripted):
            assert backend.opened == backend.closed


def xml_parts(answer: httpx.Response) -> list[dict[str, Any]]:
    """The data sets of a multipart of XML documents."""
    content = media_type.parse(answer.headers["content-type"])
    assert (content.kind, content.related) == (media_type.RELATED, media_type.DICOM_XML)
    parser = MultipartReader(content.parameters["boundary"])
    parts: list[bytes] = []
    for event in parser.feed(answer.content):
        if isinstance(event, PartStarted):
            assert event.headers == {"content-type": media_type.DICOM_XML}
            parts.append(b"")
        elif isinstance(event, PartData):
            parts[-1] += event.data
    parser.close()
    return [dicom_xml.loads(part) for part in parts]


async def cut_off(client: httpx.AsyncClient, path: str, after: int, headers: str = "") -> None:
    """Ask on a connection of its own, read some bytes of the answer, then go away."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
    async with asyncio.timeout(20):
        if after:
            await reader.readexactly(after)
        else:
            await asyncio.sleep(0.2)
    writer.transport.abort()


@pytest.fixture
def served() -> Served:
    return _served


@pytest.fixture
def backend() -> Scripted:
    return Scripted()
