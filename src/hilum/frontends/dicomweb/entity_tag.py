"""Has a client this answer already? Entity tags (RFC 9110 §8.8.3 and §13.1.2)."""

import re
from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response

import hilum

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_DIGEST = 16  # bytes


def strong(version: str, *what: str) -> str:
    """The tag of an answer that is the same, byte for byte, as long as all of this is.

    Args:
        version: of what is told.
        what: of its telling: media type, content coding, URLs within.
    """
    told = "\0".join((hilum.__version__, version, *what))
    return f'"{blake2b(told.encode(), digest_size=_DIGEST).hexdigest()}"'


def weak(body: bytes) -> str:
    """The tag of an answer of which nothing is known but what it says."""
    return f'W/"{blake2b(body, digest_size=_DIGEST).hexdigest()}"'


def is_known(request: Request, tag: str) -> bool:
    """Whether the client has what the tag names: its If-None-Match says so."""
    said = ",".join(request.headers.getlist("if-none-match"))
    return said.strip() == "*" or tag.removeprefix("W/") in _TAG.findall(said)


def unchanged(headers: dict[str, str]) -> Response:
    """304, with what a 200 would have said of caching."""
    return Response(status_code=304, headers=headers)
