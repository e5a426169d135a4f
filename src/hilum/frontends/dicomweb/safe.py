"""What is a browser told of every answer? That it is to take nothing for more than it is."""

from typing import Final

RawHeaders = list[tuple[bytes, bytes]]

ALWAYS: Final[RawHeaders] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]
"""Types are what they are said to be; other servers do not learn whose images were looked at."""

_CSP: Final = b"content-security-policy"
_INERT: Final = (_CSP, b"default-src 'none'; frame-ancestors 'self'; sandbox")
_PLAYED: Final = (_CSP, b"frame-ancestors 'self'")
"""Of what the browser's own viewers show, which a sandbox would shut out."""
_VIEWERS: Final = (b"application/pdf", b"video/")
_KIND: Final = b"content-type"
_NOT_MODIFIED: Final = 304
_CACHING: Final = b"cache-control"
_ASKED_AGAIN: Final = (_CACHING, b"private, no-cache")
_FORGOTTEN: Final = (_CACHING, b"no-store")


def safe(status: int, headers: RawHeaders) -> RawHeaders:
    """The headers that an answer must have besides its own.

    What says nothing of caches holds data of patients: whoever asked may keep it where it has an
    entity tag to ask about it again, and else nobody. What says nothing of scripts has none.

    Args:
        status: of the answer; of 304 the browser has the rest already.
        headers: its own, names in lower case.
    """
    said = dict(headers)
    added = ALWAYS.copy()
    if _CACHING not in said:
        added.append(_ASKED_AGAIN if b"etag" in said else _FORGOTTEN)
    if _CSP not in said and status != _NOT_MODIFIED:
        added.append(_PLAYED if said.get(_KIND, b"").startswith(_VIEWERS) else _INERT)
    return added
