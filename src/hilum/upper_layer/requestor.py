"""Asks a peer for an association (PS3.8 §7.1)."""

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from hilum.codec.associate import (
    MAX_CONTEXTS,
    AssociateRequest,
    Negotiation,
    Proposed,
    Role,
    UserIdentity,
)
from hilum.codec.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from hilum.codec.pdu import PduError
from hilum.model.errors import BackendTimeout, BackendUnavailable, BadRequest
from hilum.upper_layer.association import Association
from hilum.upper_layer.standing import Timeouts

Wanted = tuple[str, Sequence[str]]
"""An abstract syntax and the transfer syntaxes proposed for it, the dearest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A peer to call, and how.

    Attributes:
        calling, called: AE titles, ours and the peer's.
        connect_timeout: seconds for the TCP connection.
        max_pdu: bytes of a P-DATA-TF that we take; 0: no limit.
        identity: User Identity (PS3.7 §D.3.3.7).
        tls: to speak TLS with (PS3.15 §B.12); None: TCP as it is.
    """

    host: str
    port: int
    calling: str
    called: str
    timeouts: Timeouts = field(default_factory=Timeouts)
    connect_timeout: float = 10.0
    max_pdu: int = 128 * 1024
    identity: UserIdentity | None = None
    tls: ssl.SSLContext | None = None


@asynccontextmanager
async def associate(
    remote: Remote,
    wanted: Iterable[Wanted],
    *,
    roles: Mapping[str, Role] | None = None,
    extended: Mapping[str, bytes] | None = None,
) -> AsyncIterator[Association]:
    """An open association; released when the block ends well, aborted when it does not.

    Args:
        remote: whom to call.
        wanted: one presentation context each, at most 128.
        roles: SOP Class UID -> roles we want; C-GET needs the SCP role of what will come.
        extended: SOP Class UID -> service class application information.

    Raises:
        BackendUnavailable, BackendTimeout, BackendFault: the peer cannot be reached, does not
            want us, or breaks the protocol.
    """
    request = AssociateRequest(
        called_ae_title=remote.called,
        calling_ae_title=remote.calling,
        contexts=_numbered(wanted),
        negotiation=Negotiation(
            max_pdu=remote.max_pdu,
            implementation_class_uid=IMPLEMENTATION_CLASS_UID,
            implementation_version_name=IMPLEMENTATION_VERSION_NAME,
            roles=roles or {},
            extended=extended or {},
            identity=remote.identity,
        ),
    )
    association = await _connect(remote)
    try:
        try:
            await association.ask(request)
        except PduError as error:
            raise BadRequest(str(error)) from error
        yield association
    except BaseException:
        association.abort()
        with anyio.CancelScope(shield=True):
            await association.closed()
        raise
    else:
        with anyio.CancelScope(shield=True):
            await association.release()


def _numbered(wanted: Iterable[Wanted]) -> tuple[Proposed, ...]:
    contexts = tuple(
        Proposed(2 * at + 1, abstract, tuple(transfer))
        for at, (abstract, transfer) in enumerate(wanted)
    )
    if not 0 < len(contexts) <= MAX_CONTEXTS:
        raise BadRequest(f"{len(contexts)} presentation contexts cannot be proposed: 1 to 128 can")
    return contexts


async def _connect(remote: Remote) -> Association:
    def made() -> Association:
        return Association(requestor=True, max_pdu=remote.max_pdu, timeouts=remote.timeouts)

    host, port, patience = remote.host, remote.port, remote.connect_timeout
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(patience):
            _, association = await loop.create_connection(made, host, port, ssl=remote.tls)
    except TimeoutError:
        raise BackendTimeout(f"no connection to {host}:{port} in {patience:g} s") from None
    except ssl.SSLError as error:
        why = getattr(error, "verify_message", "") or (error.reason or "").replace("_", " ").lower()
        raise BackendUnavailable(f"no TLS with {host}:{port}: {why or 'it failed'}") from error
    except OSError as error:
        why = "it ended" if remote.tls and not error.errno else _reason(error)
        raise BackendUnavailable(f"no connection to {host}:{port}: {why}") from error
    return association


def _reason(error: OSError) -> str:
    """Why, in the system's words, without the addresses that asyncio adds."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    several = dict.fromkeys(re.findall(r"\[Errno (\d+)\]", str(error)))  # one for each address
    said = ", ".join(os.strerror(int(each)) for each in several)
    return said or error.strerror or type(error).__name__
