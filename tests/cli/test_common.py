from pathlib import Path

import pytest
import typer

from hilum.cli.common import fail, settings


def test_a_failure_is_one_line_for_each_thing_on_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as caught:
        fail("one", "two")
    assert caught.value.exit_code == 1
    assert capsys.readouterr() == ("", "one\ntwo\n")


def test_settings_that_are_wrong_end_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        settings(tmp_path / "nowhere.toml")
    assert "there is no such file" in capsys.readouterr().err
