"""`hilum reload`: have the broker that runs apply its changed configuration."""

import json
import os
import tomllib
from pathlib import Path

import typer

from hilum.cli.common import ConfigOption, JsonOption, fail, whoever
from hilum.config.load import ConfigError, find, load, read
from hilum.config.schema import ServerSettings, Settings
from hilum.service import requests
from hilum.service.reloading import Outcome

command = typer.Typer(add_completion=False)


@command.command()
def reload(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Apply a changed configuration to the broker that runs, without dropping anything.

    Says what was applied and what needs a restart. A configuration that cannot be used changes
    nothing, and is told with exit code 1.
    """
    try:
        folder = _folder(find(config, os.environ), config)
        outcome = Outcome.of(requests.ask(folder, whoever()))
    except ConfigError as error:
        outcome = Outcome(problems=tuple(error.problems))
    except requests.NobodyThere as error:
        outcome = Outcome(problems=(str(error),))
    if as_json:
        print(json.dumps(outcome.described()))
        raise typer.Exit(0 if outcome.is_good else 1)
    if not outcome.is_good:
        fail(*outcome.lines())
    print(*outcome.lines(), sep="\n")


def _folder(file: Path, config: Path | None) -> Path:
    """Where the broker is asked; also of a configuration that is bad elsewhere.

    Raises:
        ConfigError: nobody can say.
    """
    try:
        return load(config, os.environ).requests
    except ConfigError as error:
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8-sig")).get("server", {})
            said = {"data": table["data"]} if "data" in table else {}
            return Settings(server=read(ServerSettings, file, said, os.environ)).requests
        except (OSError, ValueError, AttributeError, TypeError, ConfigError):
            raise error from None
