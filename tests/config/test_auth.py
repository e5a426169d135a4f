from pathlib import Path
from typing import Any

import pytest

from hilum.config.auth import AuthSettings
from hilum.config.load import ConfigError, load


def problems(folder: Path, text: str) -> str:
    (folder / "key.pem").touch()
    config = folder / "config.toml"
    mount = '[mounts.ARCHIVE]\nbackend = "archive"\n'
    config.write_text(mount + text)
    with pytest.raises(ConfigError) as error:
        load(config, {"SHORT": "x", "LONG": "x" * 32})
    return str(error.value).replace(f"{config}: ", "")


def loaded(folder: Path, text: str) -> AuthSettings:
    (folder / "key.pem").touch()
    config = folder / "config.toml"
    config.write_text('[mounts.ARCHIVE]\nbackend = "archive"\n' + text)
    return load(config, {"LONG": "x" * 32}).auth


def test_by_default_there_are_no_logins(tmp_path: Path) -> None:
    assert not loaded(tmp_path, "").enabled
    assert loaded(tmp_path, "[auth]\nenabled = true").anonymous == ()


def test_tokens_and_rules_are_read(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        '[auth]\nenabled = true\nanonymous = ["echo"]\n'
        '[auth.token]\npublic_key = "key.pem"\naudience = "hilum"\nleeway = "5 s"\n'
        '[auth.rules.doctors]\nmay = ["query", "retrieve"]\nmounts = "ARCHIVE"\n'
        'claims = { "realm_access.roles" = ["doctor"] }\nnetworks = ["10.0.0.0/8"]\n',
    )
    assert found.token.is_set
    assert (found.token.audience, found.token.leeway) == (("hilum",), 5.0)
    assert found.rules["doctors"].claims == {"realm_access.roles": ("doctor",)}
    assert found.rules["doctors"].mounts == ("ARCHIVE",)


def test_a_shared_secret_is_for_hmac_alone(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        '[auth.token]\nsecret = { env = "LONG" }\nalgorithms = "HS256"\naudience = "hilum"\n',
    )
    assert found.token.secret is not None
    assert "x" not in str(found.token.secret)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[auth.token]\npublic_key = "key.pem"\n', "auth.token.audience: is missing"),
        (
            '[auth.token]\npublic_key = "key.pem"\njwks_url = "https://x"\naudience = "a"\n',
            "auth.token.public_key: does not go with jwks_url",
        ),
        (
            '[auth.token]\npublic_key = "key.pem"\nalgorithms = ["HS256"]\naudience = "a"\n',
            "auth.token.algorithms: HS256 needs a secret",
        ),
        (
            '[auth.token]\nsecret = { env = "LONG" }\naudience = "a"\n',
            'auth.token.algorithms: with a secret only HMAC; write ["HS256"]',
        ),
        (
            '[auth.token]\nsecret = { env = "SHORT" }\nalgorithms = "HS256"\naudience = "a"\n',
            "auth.token.secret: is shorter than 32 bytes",
        ),
        ("[auth.token]\nalgorithms = ['none']\n", "auth.token.algorithms"),
        ("[auth]\nenabled = true\nanonymous = ['read']\n", "auth.anonymous"),
        ("[auth.rules.all]\nmay = ['query']\n", "auth.rules.all.names: is missing"),
        (
            "[auth.rules.r]\nmay = ['query']\nnetworks = ['10.0.0.1/8']\n",
            "auth.rules.r.networks: 10.0.0.1/8 is no network",
        ),
        (
            "[auth.rules.r]\nmay = ['query']\nnames = '*'\nmounts = ['ARCHIV']\n",
            "auth.rules.r.mounts: there is no mount ARCHIV; did you mean ARCHIVE?",
        ),
        (
            '[auth.browser]\nclient_id = "x"\n',
            "auth.browser: needs the provider of token.discovery",
        ),
        (
            '[auth.browser]\nclient_id = "x"\nparameters = { state = "y" }\n',
            "auth.browser.parameters.state: is said by the request itself",
        ),
        ("[auth]\nenable = true\n", "auth.enable: unknown key; did you mean auth.enabled?"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, said: str) -> None:
    assert said in problems(tmp_path, text)


def test_what_a_scope_is_called_can_be_chosen() -> None:
    settings: dict[str, Any] = {"token": {"scope_prefix": "", "scope_claims": ("roles",)}}
    assert AuthSettings.model_validate(settings).token.scope_claims == ("roles",)
