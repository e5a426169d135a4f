"""How a peer of the configuration is called."""

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
