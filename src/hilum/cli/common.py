"""What several commands share: the option --config, and how a failure is said."""

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from hilum.config.load import ConfigError, load
from hilum.config.schema import Settings
from hilum.model.principal import NOBODY, Principal, Proof

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration; else $HILUM_CONFIG, else ./config.toml.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def fail(*lines: str) -> NoReturn:
    """Say what is wrong on standard error, one thing a line, and end with 1."""
    for line in lines:
        print(line, file=sys.stderr)
    raise typer.Exit(1)


def settings(config: Path | None) -> Settings:
    """The settings, or the end with all that is wrong with them."""
    try:
        return load(config, os.environ)
    except ConfigError as error:
        fail(*error.problems)


def reachable(bind: str) -> str:
    """The address by which this machine reaches what listens at `bind`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104 - read, not bound


def whoever() -> Principal:
    """Who is logged in at this machine, for the audit."""
    try:
        return Principal(getpass.getuser(), Proof.ADMITTED)
    except (OSError, KeyError):  # a user without a name
        return NOBODY
