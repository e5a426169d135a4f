"""How does a program learn what can be asked here? By OpenAPI 3.1, as YAML and as JSON.

There is one source, `doc/openapi.yaml`; a wheel has a copy of it beside this file.
"""

from functools import cache
from pathlib import Path

import anyio.to_thread
import orjson
from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.media_type import JSON

YAML = "application/yaml"  # RFC 9512

_PACKAGED = Path(__file__).with_name("openapi.yaml")
_SOURCE = Path(__file__).parents[4] / "doc" / "openapi.yaml"


async def as_yaml(_request: Request) -> Response:
    """`GET /openapi.yaml`. Its servers are relative to the document's own URL."""
    return Response(await anyio.to_thread.run_sync(_text), media_type=YAML)


async def as_json(_request: Request) -> Response:
    """`GET /openapi.json`: the same."""
    return Response(await anyio.to_thread.run_sync(_json), media_type=JSON)


@cache
def _text() -> bytes:
    return (_PACKAGED if _PACKAGED.exists() else _SOURCE).read_bytes()


@cache
def _json() -> bytes:
    import yaml  # noqa: PLC0415 - few ask

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return orjson.dumps(yaml.load(_text(), Loader=loader))  # noqa: S506 - a safe one
