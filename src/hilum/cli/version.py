"""`hilum version`: which Hilum this is."""

import platform

import typer

from hilum import __version__

command = typer.Typer(add_completion=False)


@command.command()
def version() -> None:
    """Print the version of Hilum and of its Python."""
    print(f"hilum {__version__} (Python {platform.python_version()})")
