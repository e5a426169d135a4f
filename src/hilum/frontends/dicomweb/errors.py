"""How does an error look over HTTP? A small JSON object, and nothing that was not named."""

import logging
import math
from collections.abc import Mapping

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.media_type import JSON
from hilum.codec.verdict import verdict_on
from hilum.frontends.dicomweb.who import challenge
from hilum.model.errors import HilumError, TooMany

RETRY_AFTER = 10  # seconds

_log = logging.getLogger(__name__)


def said(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """`{"error": text}`."""
    return Response(orjson.dumps({"error": text}), status, headers, media_type=JSON)


def answer(error: Exception, request_id: str) -> Response:
    """The answer that is nothing but this error; one that nobody named says nothing else."""
    if not isinstance(error, HilumError):
        _log.error("request %s failed", request_id, exc_info=error)
        return said(500, "internal error")
    status = verdict_on(error).http
    headers = {"Retry-After": str(RETRY_AFTER)} if status == 503 else None  # noqa: PLR2004
    if isinstance(error, TooMany):
        headers = {"Retry-After": str(math.ceil(error.after))}
    if status == 401:  # noqa: PLR2004
        headers = {"WWW-Authenticate": challenge(error)}
    return said(status, str(error) or status.phrase, headers)


async def routing(_request: Request, error: Exception) -> Response:
    """What the router itself refuses: 404, 405 with Allow."""
    if not isinstance(error, HTTPException):
        return said(500, "internal error")
    headers = dict(error.headers or {})
    if "Allow" in headers:
        headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
    return said(error.status_code, error.detail, headers)
