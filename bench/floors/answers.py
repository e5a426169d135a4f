"""The floor of an HTTP answer: hypercorn, as Hilum uses it, with an app that knows its answers.

python -m bench.floors.answers PORT FOLDER    answers /NAME with the content of FOLDER/NAME
"""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from hilum.service import loop

_CHUNK = 1024 * 1024  # bytes
Send = Callable[[dict[str, Any]], Awaitable[None]]


def app(folder: Path) -> Callable[[dict[str, Any], Any, Send], Awaitable[None]]:
    """The ASGI application."""
    known: dict[str, list[bytes]] = {}

    async def answer(scope: dict[str, Any], _: object, send: Send) -> None:
        if scope["type"] != "http":
            return
        name = scope["path"][1:]
        if name not in known:
            content = (folder / name).read_bytes()
            known[name] = [content[at : at + _CHUNK] for at in range(0, len(content), _CHUNK)]
        chunks = known[name]
        length = str(sum(map(len, chunks))).encode()
        headers = [(b"content-type", b"application/octet-stream"), (b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for chunk in chunks[:-1]:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": chunks[-1] if chunks else b""})

    return answer


async def _serve(port: int, folder: Path) -> None:
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_max_requests = 2**31
    config.accesslog = None
    await serve(app(folder), config)  # type: ignore[arg-type] # its types know more scopes


if __name__ == "__main__":
    loop.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
