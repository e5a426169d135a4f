from typing import Any

import pytest
from pydantic import ValidationError

from hilum.config.mounts import ArchiveMount
from hilum.config.peers import USUAL, Peer
from hilum.config.schema import Settings


def peer(**more: Any) -> Peer:
    return Peer.model_validate({"aet": "CT1", "host": "h", "port": 104, **more})


def test_a_peer_shows_a_token_unless_told_otherwise() -> None:
    assert (peer().auth, peer().may, peer().mounts) == ("token", USUAL, ("*",))


def test_it_may_neither_delete_nor_administer_unless_told() -> None:
    assert {"delete", "admin"}.isdisjoint(peer(auth="ae").may)
    assert peer(auth="ae", may=["delete"]).may == ("delete",)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"auth": "password"}, "username: is missing"),
        ({"username": "x"}, 'username: has no use, as auth is "token"'),
        ({"auth": "ae", "password": "x"}, 'password: has no use, as auth is "ae"'),
        ({"may": ["echo"]}, "may: has no use"),
        ({"mounts": ["*"]}, "mounts: has no use"),
        ({"auth": "kerberos"}, "auth"),
    ],
)
def test_what_does_not_go_together_is_told(more: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        peer(**more)


def test_mounts_that_there_are_not_are_told() -> None:
    with pytest.raises(
        ValidationError, match=r"peers\.CT1\.mounts: there is no mount PAX; did you mean PACS"
    ):
        Settings(
            mounts={"PACS": ArchiveMount(backend="archive")},
            peers={"CT1": peer(auth="ae", mounts=["PAX"])},
        )
