from ipaddress import IPv4Address
from pathlib import Path

import pytest

from hilum.cli.found import fail, reachable, settings


def test_a_failure_is_one_line_for_each_thing_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        fail("one", "two")
    assert caught.value.code == 1
    assert capsys.readouterr() == ("", "one\ntwo\n")


def test_settings_that_are_wrong_end_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        settings(tmp_path / "nowhere.toml")
    assert "there is no such file" in capsys.readouterr().err


def test_every_address_is_reached_at_the_machine_itself() -> None:
    assert reachable(str(IPv4Address(0))) == "127.0.0.1"
    assert reachable("::") == "::1"
    assert reachable("10.0.0.1") == "10.0.0.1"
