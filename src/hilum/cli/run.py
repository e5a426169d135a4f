"""`hilum run`: serve until told to stop."""

from typing import Annotated

import typer

from hilum.cli.common import ConfigOption

command = typer.Typer(add_completion=False)


@command.command()
def run(
    *,
    config: ConfigOption = None,
    examples: Annotated[
        bool, typer.Option("--examples", help="Also print three commands to try.")
    ] = False,
) -> None:
    """Serve DIMSE and DICOMweb until SIGTERM or Ctrl+C; running work may end first."""
    from hilum.cli.serving import serve  # noqa: PLC0415 - it is all of Hilum

    serve(config, examples=examples)
