"""What can be set of a peer: where it is, how it is spoken to, and what it may do here."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator

from hilum.config.auth import Rights
from hilum.config.kinds import AeTitle, Host, MaxPdu, Port, Seconds, Secret, listed
from hilum.config.tls import TlsPeer

USUAL: Final[Rights] = ("echo", "query", "retrieve", "store", "send")
"""What a modality or workstation needs; not to delete, and nothing of an administrator's."""


class Peer(TlsPeer):
    """Who may call us, and where C-MOVE may send."""

    reloads = True

    aet: AeTitle
    """Its AE title, as it calls itself and wants to be called."""
    host: Host
    """Its name or address."""
    port: Port
    """The TCP port it listens at."""
    max_pdu: MaxPdu = 131072
    """The longest P-DATA-TF PDU we take from it when we call it, in bytes; 0 means no limit."""
    connect_timeout: Seconds = 10.0
    """How long the TCP connection to it may take."""
    acse_timeout: Seconds = 30.0
    """How long it may take to accept or release an association."""
    message_timeout: Seconds = 60.0
    """How long it may be silent in the middle of a message, or before its response."""
    auth: Literal["token", "ae", "password"] = "token"
    """How it proves who it is, where there are logins: by a `token` (User Identity type 5), by the
    `password` below (type 2; type 1 where there is no password), or not at all: `ae` believes
    whoever calls by its AE title. A client certificate is looked at besides."""
    username: str | None = None
    """The name by which it calls with `auth = "password"`."""
    password: Secret | None = None
    """The passcode that goes with that name."""
    may: Rights = USUAL
    """What it may do with `auth = "ae"` or `"password"`; a token says that itself."""
    mounts: Annotated[tuple[AeTitle, ...], BeforeValidator(listed)] = ("*",)
    """On which mounts; `*` is every one."""

    def _clashes(self) -> Iterator[str]:
        yield from super()._clashes()
        if self.auth == "password" and not self.username:
            yield 'username: is missing, as auth is "password"'
        for name in ("username", "password"):
            if self.auth != "password" and getattr(self, name) is not None:
                yield f'{name}: has no use, as auth is "{self.auth}"'
        for name in ("may", "mounts"):
            if self.auth == "token" and name in self.model_fields_set:
                yield f'{name}: has no use, as with auth = "token" the token says it'
