from hilum.backends.dimse.remote import remote, remote_of
from hilum.config.mounts import DimseMount
from hilum.config.schema import Peer


def test_a_peer_is_called_as_it_is_configured() -> None:
    peer = Peer(
        aet="PACS", host="pacs.example", port=104, max_pdu=0,
        connect_timeout=1.0, acse_timeout=2.0, message_timeout=3.0,
    )  # fmt: skip
    found = remote(peer, "US")
    assert (found.host, found.port, found.called, found.calling) == (
        "pacs.example",
        104,
        "PACS",
        "US",
    )
    assert (found.connect_timeout, found.timeouts.acse, found.timeouts.message) == (1.0, 2.0, 3.0)
    assert found.max_pdu == 0


def test_a_pacs_is_called_as_its_mount_says() -> None:
    mount = DimseMount(
        backend="dimse", aet="PACS", host="pacs.example", port=104, max_pdu=0,
        connect_timeout=1.0, acse_timeout=2.0, retrieve_timeout=3.0,
    )  # fmt: skip
    found = remote_of(mount, "US")
    assert (found.host, found.port, found.called) == ("pacs.example", 104, "PACS")
    assert (found.connect_timeout, found.timeouts.acse, found.timeouts.message) == (1.0, 2.0, 3.0)
    assert (found.max_pdu, found.calling) == (0, "US")
    assert remote_of(mount.model_copy(update={"calling": "OTHER"}), "US").calling == "OTHER"
