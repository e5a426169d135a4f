import subprocess
import sys

import pytest
from typer.testing import CliRunner

from hilum.cli.main import COMMANDS, HELP, app, loaded


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_explains_itself(name: str) -> None:
    done = CliRunner().invoke(app, [name, "--help"])
    assert done.exit_code == 0, done.output
    assert "Usage" in done.output


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_list_of_commands_says_what_each_says_of_itself(name: str) -> None:
    assert loaded(name).get_short_help_str(400) == HELP[name]


def test_the_commands_are_listed() -> None:
    done = CliRunner().invoke(app, ["--help"])
    assert done.exit_code == 0
    assert all(name in done.output for name in COMMANDS)


def test_an_unknown_command_is_a_wrong_use() -> None:
    done = CliRunner().invoke(app, ["rnu"])
    assert done.exit_code == 2


def test_a_command_carries_only_what_it_needs() -> None:
    script = (
        "import sys\n"
        "from hilum.cli.main import app\n"
        "for words in (['version'], ['--help'], ['run', '--help']):\n"
        "  try: app(words)\n"
        "  except SystemExit: pass\n"
        "heavy = {'sqlalchemy', 'pydicom', 'starlette', 'httpx'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
