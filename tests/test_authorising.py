from pathlib import Path

import pytest

from hilum.authorising import CannotAuthorise, noted, open_login, policy
from hilum.config.auth import AuthSettings
from hilum.core.login import OPEN
from hilum.core.operations import Echo
from hilum.core.policy import Decision
from hilum.model.principal import NOBODY, Principal, Proof, Right

pytestmark = pytest.mark.anyio


async def test_where_there_are_no_logins_every_door_is_open() -> None:
    async with open_login(AuthSettings()) as login:
        assert login is OPEN
        assert not login.is_on


async def test_where_there_are_a_token_is_looked_at_even_without_keys() -> None:
    async with open_login(AuthSettings(enabled=True)) as login:
        assert login.is_on
        assert login.policy.lets_nobody_in


def test_the_rules_of_the_configuration_decide() -> None:
    settings = AuthSettings.model_validate(
        {
            "enabled": True,
            "anonymous": ["echo"],
            "rules": {
                "doctors": {
                    "may": ["query"],
                    "mounts": ["PACS"],
                    "claims": {"roles": ["doctor"]},
                    "networks": ["10.0.0.0/8"],
                }
            },
        }
    )
    decides = policy(settings)
    ann = Principal("ann", Proof.TOKEN, address="10.1.1.1", claims={"roles": ["doctor"]})
    assert decides.decide(ann, Right.QUERY, "PACS").by == "auth.rules.doctors"
    assert not decides.decide(ann, Right.QUERY, "OTHER").allowed
    assert not decides.decide(ann, Right.STORE, "PACS").allowed
    assert decides.decide(NOBODY, Right.ECHO, "OTHER").allowed


async def test_a_key_that_is_none_is_told_with_its_setting(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("no key")
    settings = AuthSettings.model_validate(
        {"enabled": True, "token": {"public_key": key, "audience": ["a"]}}
    )
    with pytest.raises(CannotAuthorise, match=r"^auth\.token\.public_key: "):
        async with open_login(settings):
            pass


def test_a_decision_against_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    who = Principal("ann", Proof.TOKEN, address="10.1.1.1", token="secret")  # noqa: S106
    noted(Echo(mount="PACS", who=who, request_id="r1"), Decision(allowed=False, by="no rule fits"))
    assert caplog.messages == ["r1: ann from 10.1.1.1 may not echo on PACS: no rule fits"]
