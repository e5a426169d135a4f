"""`hilum capture`: a de-identified record of what two systems say to each other."""

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from hilum.cli.common import ConfigOption, JsonOption
from hilum.cli.record.events import Record
from hilum.cli.record.middle import Middle
from hilum.cli.record.place import place
from hilum.cli.scu.ending import FAILURE, MISUSE, Misuse, end
from hilum.service import loop, signals

command = typer.Typer(add_completion=False)


@command.command()
def capture(  # noqa: PLR0913 - a command line has that many options
    *,
    listen: Annotated[
        int,
        typer.Option("--listen", metavar="PORT", min=0, max=65535, help="Where who calls comes."),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="PLACE",
            help="HOST:PORT that is meant; or dimse or http, that door of the running broker.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="A new file for the record.")
    ],
    connections: Annotated[
        int,
        typer.Option("--connections", min=0, help="End after so many; 0: when Ctrl+C says so."),
    ] = 1,
    bind: Annotated[str, typer.Option("--bind", help="Address to listen at.")] = "127.0.0.1",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record what two systems say to each other, without saying whom it is about.

    Stands between them, for DIMSE and for HTTP: have the client call the port of --listen, and
    every byte is passed on to --to, and back. Patients, dates, UIDs and free text are replaced,
    the same ones by the same, pixels are zeros, tokens and passwords are left out.

    Ends with 0; 1 when the file or the port cannot be had; 2 for a wrong command line.
    """
    try:
        there = place(to, config)
    except Misuse as error:
        end(MISUSE, *str(error).splitlines(), as_json=as_json)
    try:
        record = Record(output)
    except OSError as error:
        end(FAILURE, f"{output}: {os.strerror(error.errno or 0)}", as_json=as_json)
    try:
        middle = Middle(record, there, connections)
        loop.run(_listen(middle, bind, listen, quiet=as_json))
    except OSError as error:
        end(FAILURE, f"{bind}:{listen}: {os.strerror(error.errno or 0)}", as_json=as_json)
    finally:
        record.close()
    if as_json:
        print(json.dumps({"ok": True, "file": str(output), "events": record.count}))
    else:
        print(f"{output}: {record.count} events")


async def _listen(middle: Middle, bind: str, port: int, *, quiet: bool) -> None:
    """Until enough was heard; who is still connected then is cut off with the event loop."""
    server = await asyncio.start_server(middle.take, bind, port)
    try:
        host, at = server.sockets[0].getsockname()[:2]
        if not quiet:
            print(f"Listening at {host}:{at}", flush=True)
        with signals.stops(middle.done, middle.leave):
            await middle.done.wait()
            server.close()
            await middle.ended()
    finally:
        server.close()
