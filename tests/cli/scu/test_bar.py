import pytest

from hilum.cli.scu.bar import bar


def test_the_bar_is_silent_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with bar() as shown:
        shown.update(shown.add_task("instances", total=2), completed=1)
    assert capsys.readouterr() == ("", "")
