import pytest
from pydantic import SecretStr, ValidationError

from hilum.config.login import OAuth, UserIdentity
from hilum.config.mounts import DicomwebMount, DimseMount, Web

HUSH = SecretStr("hush")
GATE = {"client_id": "gate", "client_secret": HUSH}
URL = "https://a/token"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, "token_url: is missing"),
        ({"token_url": "https://a/t", "discovery": "https://a"}, "discovery: does not go with"),
        ({"token_url": "https://a/t", "parameters": {"client_id": "x"}}, "parameters.client_id"),
        ({"token_url": "https://a/t", "client_id": ""}, "client_id"),
    ],
)
def test_what_does_not_go_together(more: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        OAuth(**{**GATE, **more})


def test_no_secret_is_shown() -> None:
    said = OAuth(token_url=URL, **GATE), UserIdentity(username="u", password=HUSH)
    assert "hush" not in repr(said)


@pytest.mark.parametrize(
    "said", [{}, {"username": "u", "token": HUSH}, {"token": HUSH, "password": HUSH}]
)
def test_an_identity_is_a_name_or_a_token(said: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        UserIdentity(**said)


def test_a_request_has_one_authorization() -> None:
    oauth = OAuth(token_url=URL, **GATE)
    with pytest.raises(ValidationError, match="oauth: does not go with bearer"):
        Web(bearer=HUSH, oauth=oauth)
    with pytest.raises(ValidationError, match="forward_token: does not go with oauth"):
        DicomwebMount(backend="dicomweb", url="https://a", oauth=oauth, forward_token=True)


@pytest.mark.parametrize("more", [{"identity": UserIdentity(username="u")}, {"mode": "concurrent"}])
def test_what_does_not_go_with_the_callers_token(more: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="forward_token"):
        DimseMount(backend="dimse", aet="P", host="h", port=1, forward_token=True, **more)
