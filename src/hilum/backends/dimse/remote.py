"""How a peer of the configuration is called, and the PACS behind a mount."""

import ssl

from hilum.codec.associate import UserIdentity
from hilum.config.login import UserIdentity as Login
from hilum.config.mounts import DimseMount
from hilum.config.peers import Peer
from hilum.config.tls import Identity, TlsPeer
from hilum.core import caller
from hilum.net.tls import client
from hilum.upper_layer.requestor import Remote
from hilum.upper_layer.standing import Timeouts

NOBODY = Identity()
_NAME, _PASSCODE, _TOKEN = 1, 2, 5  # kinds of User Identity


def remote(peer: Peer, calling: str, own: Identity = NOBODY) -> Remote:
    """How `peer` is called by the AE title `calling`.

    Args:
        peer: whom.
        calling: our AE title.
        own: our certificate, for a peer that is spoken to by TLS and has none of its own.

    Raises:
        BackendFault: a file with certificates cannot be used.
    """
    return Remote(
        host=peer.host,
        port=peer.port,
        calling=calling,
        called=peer.aet,
        timeouts=Timeouts(acse=peer.acse_timeout, message=peer.message_timeout),
        connect_timeout=peer.connect_timeout,
        max_pdu=peer.max_pdu,
        tls=_tls(peer, own),
    )


def remote_of(mount: DimseMount, calling: str, own: Identity = NOBODY) -> Remote:
    """How the PACS behind `mount` is called, by `calling` where the mount names no AE title.

    It may be silent for `retrieve_timeout` where nothing else is said. Raises like `remote`.
    """
    return Remote(
        host=mount.host,
        port=mount.port,
        calling=mount.calling or calling,
        called=mount.aet,
        timeouts=Timeouts(acse=mount.acse_timeout, message=mount.retrieve_timeout),
        connect_timeout=mount.connect_timeout,
        max_pdu=mount.max_pdu,
        identity=_identity(mount.identity),
        tls=_tls(mount, own),
    )


def forwarded() -> UserIdentity:
    """The caller's token, as the identity of an association (PS3.7 §D.3.3.7, type 5).

    Raises:
        Unauthenticated: there is none.
    """
    return UserIdentity(_TOKEN, caller.token().encode())


def _identity(said: Login | None) -> UserIdentity | None:
    if said is None:
        return None
    if said.token is not None:
        return UserIdentity(_TOKEN, said.token.get_secret_value().encode())
    name = (said.username or "").encode()
    if said.password is None:
        return UserIdentity(_NAME, name)
    return UserIdentity(_PASSCODE, name, said.password.get_secret_value().encode())


def _tls(peer: TlsPeer, own: Identity) -> ssl.SSLContext | None:
    if not peer.tls:
        return None
    identity = own if peer.certificate is None else peer
    return client(identity, peer.ca_file, check_host=peer.check_host)
