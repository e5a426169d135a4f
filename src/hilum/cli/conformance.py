"""`hilum conformance`: the DICOM conformance statement of a configuration."""

import json
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from hilum.cli.common import ConfigOption, JsonOption, fail, settings
from hilum.cli.stated.facts import stated
from hilum.cli.stated.page import page

command = typer.Typer(add_completion=False)


class Format(Enum):
    """How it is written."""

    md = "md"
    json = "json"


@command.command()
def conformance(
    *,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="Markdown for people; JSON, as --json.")
    ] = Format.md,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where it goes; else it is printed."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the DICOM conformance statement (PS3.2) of a configuration.

    It tells of the mounts, peers, doors and logins that are configured, and then how each service
    behaves. Nothing is called, and no secret is in it.

    Ends with 0; 1 for a wrong configuration.
    """
    statement = stated(settings(config))
    if as_json or form is Format.json:
        text = json.dumps(asdict(statement), indent=2) + "\n"
    else:
        text = page(statement)
    if output is None:
        print(text, end="")
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{output}: {error.strerror}")
    print(f"{output}: {len(text.splitlines())} lines")
