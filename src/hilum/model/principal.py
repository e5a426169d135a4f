"""Who asks, as far as it was proven at the door. The same for DIMSE and HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Proof(StrEnum):
    """How it was proven who asks."""

    NOTHING = "nothing"
    AE_TITLE = "ae title"  # claimed by a peer of which the configuration believes it
    PASSWORD = "password"  # noqa: S105 - a word, no secret
    CERTIFICATE = "certificate"
    TOKEN = "token"  # noqa: S105 - as above
    ISSUED = "issued token"
    ADMITTED = "admitted"  # what was authorised before, and goes on now


class Right(StrEnum):
    """What can be allowed: a kind of operation."""

    ECHO = "echo"
    QUERY = "query"
    RETRIEVE = "retrieve"
    STORE = "store"
    SEND = "send"
    DELETE = "delete"
    SUBSCRIBE = "subscribe"
    ADMIN = "admin"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Grant:
    """Rights on some mounts.

    Attributes:
        mounts: their AE titles; "*" is every one.
    """

    rights: frozenset[Right]
    mounts: frozenset[str] = frozenset(("*",))

    def covers(self, right: Right, mount: str) -> bool:
        """Whether it allows that there."""
        return right in self.rights and (mount in self.mounts or "*" in self.mounts)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        name: for logs and the audit: subject of the token or certificate, or AE title; "" for
            nobody.
        proof: how that was proven.
        ae_title: Calling AE Title, which proves nothing by itself; "" over HTTP.
        address: network address of the other end; "" where it is not known.
        certificate: subject of its certificate (RFC 4514), where it has shown a good one.
        claims: of the verified token.
        grants: what its token, or its entry in the configuration, allows by itself.
        token: as it came, to be passed on where a mount says so; never in a log.
        expires: from when on it is good no more, in seconds since the epoch; None: it stays.
    """

    name: str = ""
    proof: Proof = Proof.NOTHING
    ae_title: str = ""
    address: str = ""
    certificate: str = ""
    claims: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), compare=False)
    grants: tuple[Grant, ...] = ()
    token: str | None = field(default=None, repr=False)
    expires: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether anything was proven."""
        return self.proof is not Proof.NOTHING

    def has_expired(self, now: float) -> bool:
        """Whether what it proved is good no more; an operation that has begun goes on."""
        return self.expires is not None and now >= self.expires

    def admitted(self) -> "Principal":
        """The same, for the parts of an operation that was authorised as a whole."""
        return replace(self, proof=Proof.ADMITTED, expires=None)


NOBODY = Principal()
OURSELVES = Principal("hilum", Proof.ADMITTED)
"""The service, where it asks for its own sake: whether what it stands for lives."""


def joined(token: Principal, beside: Principal) -> Principal:
    """Who holds a token, and what else the connection has shown."""
    return Principal(  # not by `replace`, which takes three times as long: it is of each request
        token.name,
        token.proof,
        beside.ae_title,
        beside.address,
        beside.certificate,
        token.claims,
        token.grants,
        token.token,
        token.expires,
    )
