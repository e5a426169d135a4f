from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.config.test_keys import Example, Square

from hilum.config.load import ConfigError, read
from hilum.config.secrets import fetch


def test_a_secret_comes_from_the_environment(tmp_path: Path) -> None:
    assert fetch({"env": "PASSWORD"}, {"PASSWORD": "hush"}, tmp_path) == "hush"


def test_a_secret_comes_from_a_file_without_its_last_line_feed(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hush\n\n")
    assert fetch({"file": "password"}, {}, tmp_path) == "hush\n"
    assert fetch({"file": str(tmp_path / "password")}, {}, Path("/")) == "hush\n"


def test_the_path_of_a_secret_may_hold_a_variable(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hush")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert fetch({"file": "$CREDENTIALS_DIRECTORY/password"}, environ, Path("/")) == "hush"


def test_where_systemd_hands_nothing_over_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no CREDENTIALS_DIRECTORY"):
        fetch({"file": "${CREDENTIALS_DIRECTORY}/password"}, {}, tmp_path)


@pytest.mark.parametrize(
    "value", ["hush", 1, {}, {"env": "A", "file": "b"}, {"vault": "x"}, {"env": "NOT_THERE"}]
)
def test_a_secret_that_is_not_pointed_to_is_refused_without_being_shown(
    value: object, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(Example, tmp_path / "c.toml", {"login": {"password": value}}, {})
    [problem] = caught.value.problems
    assert "login.password: " in problem
    assert "hush" not in problem


@pytest.mark.parametrize("value", [1, ["hush"], {}, {"env": "NOT_THERE"}, {"vault": "x"}])
def test_where_a_text_may_stand_too_only_a_pointer_can_be_wrong(
    value: object, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(Example, tmp_path / "c.toml", {"login": {"extra": {"X-Key": value}}}, {})
    [problem] = caught.value.problems
    assert "login.extra.X-Key: " in problem
    assert "hush" not in problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere: No such file"):
        fetch({"file": "nowhere"}, {}, tmp_path)


def test_a_secret_is_not_shown_by_the_settings_that_hold_it(tmp_path: Path) -> None:
    table = {
        "login": {"password": {"env": "A"}, "extra": {"x": {"env": "A"}, "y": "plain"}},
        "shapes": {"b": {"backend": "square", "side": 1, "login": {"password": {"env": "A"}}}},
    }
    example = read(Example, tmp_path / "c.toml", table, {"A": "hush"})
    square = example.shapes["b"]
    assert isinstance(square, Square)
    assert square.login.password == SecretStr("hush")
    assert example.login.extra == {"x": SecretStr("hush"), "y": "plain"}
    assert "hush" not in repr(example)
    assert "hush" not in example.model_dump_json()


def test_the_environment_may_hold_a_secret_itself(tmp_path: Path) -> None:
    environ = {"HILUM_LOGIN__PASSWORD": "hush"}
    example = read(Example, tmp_path / "c.toml", {"login": {"password": {"env": "B"}}}, environ)
    assert example.login.password == SecretStr("hush")
