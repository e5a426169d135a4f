"""`hilum version`: which Hilum this is."""

import json
import platform
from typing import Annotated

import typer

from hilum import __version__

command = typer.Typer(add_completion=False)


@command.command()
def version(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002 - an option
) -> None:
    """Print the version of Hilum and of its Python."""
    python = platform.python_version()
    if as_json:
        print(json.dumps({"hilum": __version__, "python": python}))
    else:
        print(f"hilum {__version__} (Python {python})")
