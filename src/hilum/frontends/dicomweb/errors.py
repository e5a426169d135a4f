"""How does an error look over HTTP? A small JSON object, and nothing that was not named."""

import logging
import math
from collections.abc import Callable, Mapping

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hilum.codec.media_type import JSON
from hilum.codec.verdict import verdict_on
from hilum.frontends.dicomweb.who import challenge
from hilum.model.errors import HilumError, TooMany

Said = Callable[[int, str, Mapping[str, str] | None], Response]
"""Writes an error: status, text, further headers."""
RETRY_AFTER = 10  # seconds

_log = logging.getLogger(__name__)


def said(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """`{"error": text}`."""
    return Response(orjson.dumps({"error": text}), status, headers, media_type=JSON)


def answer(error: Exception, request_id: str, said: Said = said) -> Response:
    """The answer that is nothing but this error; one that nobody named says nothing else.

    Args:
        error: what went wrong.
        request_id: for the log.
        said: how it is written.
    """
    if not isinstance(error, HilumError):
        _log.error("request %s failed", request_id, exc_info=error)
        return said(500, "internal error", None)
    status = verdict_on(error).http
    headers = {"Retry-After": str(RETRY_AFTER)} if status == 503 else None  # noqa: PLR2004
    if isinstance(error, TooMany):
        headers = {"Retry-After": str(math.ceil(error.after))}
    if status == 401:  # noqa: PLR2004
        headers = {"WWW-Authenticate": challenge(error)}
    return said(status, str(error) or status.phrase, headers)


def routing(written: Callable[[Request], Said]) -> Callable[[Request, Exception], Response]:
    """What answers where the router itself refuses: 404, 405 with Allow.

    Args:
        written: how an error is written, by the path that was asked for.
    """

    def refused(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            return written(request)(500, "internal error", None)
        headers = dict(error.headers or {})
        if "Allow" in headers:
            headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
        return written(request)(error.status_code, error.detail, headers)

    return refused
