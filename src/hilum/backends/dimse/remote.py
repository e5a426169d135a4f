"""How a peer of the configuration is called, and the PACS behind a mount."""

from hilum.config.mounts import DimseMount
from hilum.config.schema import Peer
from hilum.upper_layer.link import Timeouts
from hilum.upper_layer.requestor import Remote


def remote(peer: Peer, calling: str) -> Remote:
    """How `peer` is called by the AE title `calling`."""
    return Remote(
        host=peer.host,
        port=peer.port,
        calling=calling,
        called=peer.aet,
        timeouts=Timeouts(acse=peer.acse_timeout, message=peer.message_timeout),
        connect_timeout=peer.connect_timeout,
        max_pdu=peer.max_pdu,
    )


def remote_of(mount: DimseMount, calling: str) -> Remote:
    """How the PACS behind `mount` is called, by `calling` where the mount names no AE title.

    It may be silent for `retrieve_timeout` where nothing else is said.
    """
    return Remote(
        host=mount.host,
        port=mount.port,
        calling=mount.calling or calling,
        called=mount.aet,
        timeouts=Timeouts(acse=mount.acse_timeout, message=mount.retrieve_timeout),
        connect_timeout=mount.connect_timeout,
        max_pdu=mount.max_pdu,
    )
