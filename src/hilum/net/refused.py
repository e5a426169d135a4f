"""What it means that a web server did not answer, or answered with an error."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpcore

from hilum.model.errors import (
    BackendFault,
    BackendTimeout,
    BackendUnavailable,
    CredentialsRefused,
    HilumError,
    NotFound,
    NotOffered,
    OutOfResources,
    TooLarge,
)

AGAIN: Final = frozenset({429, 502, 503, 504})
"""Statuses after which a request may be tried again that changes nothing."""
FOREIGN: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)
"""What httpcore raises where there is no answer, or no more of it."""
_MAX_RETRY_AFTER = 10**9  # seconds; what is longer says no more


def unanswered(error: Exception, who: str) -> HilumError:
    """The exception of a connection in our words.

    Args:
        error: of httpcore.
        who: the server, for the text.
    """
    fault = _tls(error)
    if fault is not None:
        return BackendUnavailable(f"{who} cannot be trusted over TLS: {fault}")
    for kinds, what, said in _UNANSWERED:
        if isinstance(error, kinds):
            return what(said.format(who=who))
    return BackendFault(f"{who} cannot be asked this way")


_UNANSWERED: Final[tuple[tuple[tuple[type[Exception], ...], type[HilumError], str], ...]] = (
    ((httpcore.PoolTimeout,), OutOfResources, "all connections to {who} are in use"),
    ((httpcore.ConnectTimeout,), BackendTimeout, "{who} does not take the connection in time"),
    ((httpcore.TimeoutException,), BackendTimeout, "{who} does not answer in time"),
    ((httpcore.ConnectError,), BackendUnavailable, "{who} cannot be reached"),
    ((httpcore.ProxyError,), BackendUnavailable, "{who} cannot be reached through its proxy"),
    (
        (httpcore.NetworkError, httpcore.RemoteProtocolError),
        BackendUnavailable,
        "{who} broke off the connection",
    ),
)


def unsent(error: Exception) -> bool:
    """Whether nothing of the request can have come there."""
    return isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout)


def untrusted(error: Exception) -> bool:
    """Whether TLS failed, which no second try mends."""
    return _tls(error) is not None


_NOT_TLS = (
    ssl.SSLWantReadError,  # behind every timeout over TLS
    ssl.SSLWantWriteError,
    ssl.SSLZeroReturnError,
    ssl.SSLEOFError,
    ssl.SSLSyscallError,
)
"""What says that a connection is silent, or ended."""


def _tls(error: BaseException) -> str | None:
    """What TLS failed by; None where it was something else."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return str(getattr(seen, "verify_message", "") or "certificate not verified")
        if isinstance(seen, ssl.SSLError) and not isinstance(seen, _NOT_TLS):
            return str(getattr(seen, "reason", None) or "no agreement").lower().replace("_", " ")
        seen = seen.__cause__ or seen.__context__
    return None


def refused(status: int, who: str) -> HilumError:
    """What a status says; its body is not looked at, as it may hold anything.

    Args:
        status: of 300 and more.
        who: the server, for the text.
    """
    if 300 <= status < 400:  # noqa: PLR2004 - redirections
        return BackendFault(f"{who} sends us elsewhere ({status}): check its URL")
    what, said = _REFUSED.get(status, (BackendFault, "{who} answered {status}"))
    return what(said.format(who=who, status=status))


_CREDENTIALS: Final = (CredentialsRefused, "{who} refuses our credentials ({status}): check them")
_NOT_THERE: Final = (NotFound, "{who} has no such resource")
_NOT_DONE: Final = (NotOffered, "{who} does not offer this")
_BUSY: Final = (OutOfResources, "{who} is busy ({status})")
_LATE: Final = (BackendTimeout, "{who} did not get an answer in time ({status})")
_REFUSED: Final[Mapping[int, tuple[type[HilumError], str]]] = {
    401: _CREDENTIALS,
    403: _CREDENTIALS,
    407: (CredentialsRefused, "the proxy before {who} refuses our credentials (407)"),
    404: _NOT_THERE,
    410: _NOT_THERE,
    405: _NOT_DONE,
    501: _NOT_DONE,
    413: (TooLarge, "it is too much for {who}"),
    429: _BUSY,
    503: _BUSY,
    507: _BUSY,
    502: (BackendUnavailable, "{who} cannot be reached by its gateway (502)"),
    408: _LATE,
    504: _LATE,
}


def retry_after(text: str) -> float | None:
    """Seconds that Retry-After tells to wait (RFC 9110 §10.2.3); None where it says nothing."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return float(min(int(text[:12]), _MAX_RETRY_AFTER))
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max((when - datetime.now(UTC)).total_seconds(), 0.0)
