"""What several commands share: the options --config and --json, and what `found` has."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from hilum.cli.found import fail, reachable, settings
from hilum.model.principal import NOBODY, Principal, Proof

__all__ = ["ConfigOption", "JsonOption", "fail", "reachable", "settings", "whoever"]

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


def whoever() -> Principal:
    """Who is logged in at this machine, for the audit."""
    try:
        return Principal(getpass.getuser(), Proof.ADMITTED)
    except (OSError, KeyError):  # a user without a name
        return NOBODY
