"""With which settings does a command work, and how does it say that it cannot? Without typer."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from hilum.config.load import ConfigError, load
from hilum.config.schema import Settings


def fail(*lines: str) -> NoReturn:
    """Say what is wrong on standard error, one thing a line, and end with 1."""
    for line in lines:
        print(line, file=sys.stderr)
    sys.exit(1)


def settings(config: Path | None) -> Settings:
    """The settings, or the end with all that is wrong with them."""
    try:
        return load(config, os.environ)
    except ConfigError as error:
        fail(*error.problems)


def reachable(bind: str) -> str:
    """The address by which this machine reaches what listens at `bind`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104 - read, not bound
