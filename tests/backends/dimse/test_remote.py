import pytest
from pydantic import SecretStr

from hilum.backends.dimse.remote import forwarded, remote, remote_of
from hilum.codec.associate import UserIdentity
from hilum.config.login import UserIdentity as Login
from hilum.config.mounts import DimseMount
from hilum.config.schema import Peer
from hilum.core.caller import acting_for
from hilum.model.errors import Unauthenticated
from hilum.model.principal import Principal, Proof


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


@pytest.mark.parametrize(
    ("said", "identity"),
    [
        (None, None),
        (Login(username="gäte"), UserIdentity(1, "gäte".encode())),
        (
            Login(username="gate", password=SecretStr("pass")),
            UserIdentity(2, b"gate", b"pass"),
        ),
        (Login(token=SecretStr("a.b.c")), UserIdentity(5, b"a.b.c")),
    ],
)
def test_a_pacs_is_told_who_we_are(said: Login | None, identity: UserIdentity | None) -> None:
    mount = DimseMount(backend="dimse", aet="P", host="h", port=1, identity=said)
    assert remote_of(mount, "US").identity == identity


def test_the_callers_token_is_an_identity() -> None:
    with acting_for(Principal("anna", Proof.TOKEN, token="a.a.a")):  # noqa: S106 - no secret
        assert forwarded() == UserIdentity(5, b"a.a.a")
    with pytest.raises(Unauthenticated):
        forwarded()
