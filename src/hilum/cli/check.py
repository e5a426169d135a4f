"""`hilum check`: what is wrong with a configuration and with the machine it is for."""

import json
import os

import typer

from hilum.cli.common import ConfigOption, JsonOption, fail
from hilum.config.load import ConfigError, find, load
from hilum.service import checks

command = typer.Typer(add_completion=False)


@command.command()
def check(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Validate the configuration and try its ports and folders; one line for each thing wrong."""
    name = str(config or "config.toml")
    problems: list[str] = []
    try:
        name = str(find(config, os.environ))
        found = load(config, os.environ)
    except ConfigError as error:
        problems = error.problems
    else:
        problems = [*checks.ports(found), *checks.folders(found), *checks.certificates(found)]
    if as_json:
        print(json.dumps({"ok": not problems, "config": name, "problems": problems}))
        raise typer.Exit(1 if problems else 0)
    if problems:
        fail(*problems)
    print(f"{name} is good: its ports are free and its folders can be written.")
