"""`hilum import`: store what is in files and folders."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from hilum.cli import complete
from hilum.cli.common import ConfigOption, JsonOption, fail, settings
from hilum.cli.intake.account import Account
from hilum.cli.intake.destination import destination
from hilum.cli.intake.work import bring
from hilum.cli.scu.bar import bar
from hilum.config.schema import Settings
from hilum.model.errors import HilumError
from hilum.service import logging, loop, memory, signals

command = typer.Typer(add_completion=False)
READERS = 8
INTERRUPTED = 130  # exit code after Ctrl+C, as shells have it


@command.command()
def import_(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files and folders.", exists=True)
    ],
    *,
    config: ConfigOption = None,
    mount: Annotated[
        str | None,
        typer.Option(
            "--mount",
            "-m",
            help="Where to; else the default mount.",
            autocompletion=complete.mounts,
        ),
    ] = None,
    readers: Annotated[
        int, typer.Option("--readers", "-r", min=1, max=64, help="Files read at the same time.")
    ] = READERS,
    as_json: JsonOption = False,
) -> None:
    """Store every instance in files and folders; safe to repeat.

    Ends with 0 when every instance is in, 1 when one is not, 130 after Ctrl+C. Files that are no
    instances are told of, but are no failure. A broker that runs with the same configuration
    is given the instances over its own doors.
    """
    found = settings(config)
    logging.setup(
        found.logging.model_copy(update={"level": "warning"})
    )  # the account says the rest
    memory.tune()
    name = mount or found.default_mount or next(iter(found.mounts))
    if name not in found.mounts:
        fail(f"no mount is called {name}; there is {', '.join(found.mounts)}")
    try:
        account = loop.run(_import(found, name, paths, readers))
    except HilumError as error:
        fail(str(error))
    if as_json:
        print(json.dumps(account.as_json()))
    else:
        print(*account.lines(), sep="\n")
    if account.stopped:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(1 if account.refused else 0)


async def _import(found: Settings, mount: str, paths: list[Path], readers: int) -> Account:
    stop = asyncio.Event()
    task = asyncio.current_task()
    with signals.stops(stop, task.cancel if task else lambda: None), bar() as shown:
        line = shown.add_task("files", total=None)

        def told(done: int, total: int | None) -> None:
            shown.update(line, completed=done, total=total)

        async with destination(found, mount) as stores:
            return await bring(paths, stores, readers, stop, told)
