"""Origin servers for tests: Hilum's own frontend on a socket, and one that says what it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from hilum.backends.dicomweb import Origin, open_origin
from hilum.backends.memory import Memory
from hilum.config.mounts import DicomwebMount
from hilum.config.schema import HttpSettings
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.frontends.dicomweb.app import application
from hilum.frontends.fhir.service import Fhir
from hilum.net.http import serve


@asynccontextmanager
async def hilum(
    backend: object, fhir: Fhir | None = None, **settings: object
) -> AsyncIterator[str]:
    """The URL of a mount of a broker in this process, on a real port."""
    mount = Mount(
        name="FAR",
        backend="memory",
        echoes=backend,
        finds=backend,
        retrieves=backend,
        describes=backend,
        stores=backend,
    )
    options = HttpSettings(port=0, **{"graceful_shutdown": 2.0, **settings})
    app = application(Broker(Mounts({"FAR": mount}, "FAR")), options, fhir=fhir)
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(
            serve(app, options, started=lambda _, bound: port.set_result(bound), stop=stop)
        )
        try:
            yield f"http://127.0.0.1:{await port}/aets/FAR"
        finally:
            stop.set()


def mount(url: str, **settings: object) -> DicomwebMount:
    return DicomwebMount(
        backend="dicomweb", url=url, **{"backoff": 0.01, "query_timeout": 20.0, **settings}
    )


@asynccontextmanager
async def origin(url: str, **settings: object) -> AsyncIterator[Origin]:
    async with open_origin(mount(url, **settings), "CLOUD") as opened:
        yield opened


@asynccontextmanager
async def over_memory(memory: Memory | None = None) -> AsyncIterator[Origin]:
    async with hilum(memory or Memory("FAR")) as url, origin(url) as opened:
        yield opened


@dataclass
class Request:
    """What a client sent."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]


@dataclass
class Liar:
    """A server that answers with the bytes that a test gives, request after request."""

    url: str = ""
    port: int = 0
    asked: list[Request] = field(default_factory=list)
    open: int = 0  # connections
    made: int = 0  # connections, ever
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def drop(self) -> None:
        """Close every connection."""
        for writer in list(self.writers):
            writer.transport.abort()

    @property
    def targets(self) -> list[str]:
        return [each.target for each in self.asked]


Answers = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


def said(status: int, body: bytes = b"", kind: str = "application/dicom+json", *more: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *more]
    lines += [f"Content-Type: {kind}"] if kind else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def lying(answers: Answers, tls: ssl.SSLContext | None = None) -> AsyncIterator[Liar]:
    """A server that answers by `answers`, and closes when that raises `EOFError`."""
    liar = Liar()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        liar.open += 1
        liar.made += 1
        liar.writers.add(writer)
        try:
            while True:
                request = await _request(reader)
                liar.asked.append(request)
                await answers(request, writer)
                await writer.drain()
        except (EOFError, ConnectionError):
            pass
        finally:
            liar.open -= 1
            liar.writers.discard(writer)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    liar.port = server.sockets[0].getsockname()[1]
    liar.url = f"{'https' if tls else 'http'}://127.0.0.1:{liar.port}/web"
    try:
        yield liar
    finally:
        server.close()
        for _ in range(3):  # also those that were just accepted
            liar.drop()
            await asyncio.sleep(0.01)


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    request = Request(method, target, headers)
    if "content-length" in headers:
        request.body = await reader.readexactly(int(headers["content-length"]))
    elif headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readuntil(b"\n"), 16):
            request.body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    return request


def always(*answers: bytes) -> Answers:
    """One answer after another, the last for all further requests."""
    left = list(answers)

    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])

    return answer


def by_path(paths: dict[str, bytes], otherwise: bytes | None = None) -> Answers:
    """An answer by the end of the path (longest first), or by `METHOD path`."""
    order = sorted(paths, key=len, reverse=True)

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        for end in order:
            if request.path.endswith(end):
                writer.write(paths[end])
                return
        writer.write(said(404) if otherwise is None else otherwise)

    return answer
