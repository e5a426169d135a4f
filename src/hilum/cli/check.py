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
    """Validate the configuration and try its ports and folders; one line for each thing wrong.

    While a broker runs with it, ports and folders may be taken: by that one.
    """
    name = str(config or "config.toml")
    problems: list[str] = []
    running = False
    try:
        name = str(find(config, os.environ))
        found = load(config, os.environ)
    except ConfigError as error:
        problems = error.problems
    else:
        running = checks.runs(found)
        problems += [*checks.ports(found, ours=running), *checks.folders(found, ours=running)]
        problems += checks.certificates(found)
    if as_json:
        told = {"ok": not problems, "config": name, "running": running, "problems": problems}
        print(json.dumps(told))
        raise typer.Exit(1 if problems else 0)
    if problems:
        fail(*problems)
    ports = "a broker runs with it" if running else "its ports are free"
    print(f"{name} is good: {ports} and its folders can be written.")
