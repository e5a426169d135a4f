"""`hilum replay`: play a record of `hilum capture` against a test broker, and compare."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.table import Table

from hilum.cli.common import ConfigOption, JsonOption
from hilum.cli.record import play_dimse, play_http
from hilum.cli.record.events import BadRecord, Event, read
from hilum.cli.record.place import place
from hilum.cli.record.played import Played, told
from hilum.cli.scu.ending import MISUSE, Misuse, NoConnection, end, printable, run
from hilum.codec.associate import UserIdentity
from hilum.model.errors import BackendError
from hilum.upper_layer.requestor import Remote

command = typer.Typer(add_completion=False)
TIMEOUT = 60.0  # seconds for each answer
WIDTH = 150  # characters, where nobody looks at a terminal
_TOKEN = 5  # kind of User Identity (PS3.7 §D.3.3.7)
_DIMSE = frozenset(("A-ASSOCIATE-RQ", "message"))


@command.command()
def replay(  # noqa: PLR0913 - a command line has that many options
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A record of `hilum capture`.")],
    to: Annotated[
        str,
        typer.Argument(
            metavar="PLACE",
            help="HOST:PORT of a test broker; or dimse or http, that door of the running one.",
        ),
    ],
    *,
    called: Annotated[
        str, typer.Option("--aet", metavar="AET", help="AE title to call; else the recorded one.")
    ] = "",
    calling: Annotated[
        str,
        typer.Option(
            "--calling", metavar="AET", help="AE title to call by; else the recorded one."
        ),
    ] = "",
    token: Annotated[
        Path | None, typer.Option("--token", metavar="FILE", help="A file with a token to show.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Play the requestor's side of a record, and compare what comes back with what came then.

    Statuses and counts are compared, not the data. What is stored is the replaced data, with
    zeros for pixels: play it against a test broker.

    Ends with 0 when all was answered alike, 1 when something was not, 2 for a wrong command line
    or record, 3 when there is no connection.
    """
    try:
        events = read(file)
        where = place(to, config)
        shown = token.read_text(encoding="ascii").strip() if token else ""
    except (Misuse, BadRecord) as error:
        end(MISUSE, *str(error).splitlines(), as_json=as_json)
    except (OSError, ValueError) as error:
        what = getattr(error, "filename", None) or token
        end(MISUSE, f"{what}: cannot be read", as_json=as_json)
    remote = _remote(where, called, calling, shown)
    played = run(_all(events, where, remote, shown), as_json=as_json)
    alike = all(each.same is not False for each in played)
    if as_json:
        rows = [{**asdict(each), "same": each.same} for each in played]
        print(json.dumps({"ok": alike, "requests": rows}))
    else:
        _table(played)
    raise typer.Exit(0 if alike else 1)


def _remote(where: tuple[str, int], called: str, calling: str, token: str) -> Remote:
    identity = UserIdentity(_TOKEN, token.encode()) if token else None
    return Remote(host=where[0], port=where[1], called=called, calling=calling, identity=identity)


async def _all(
    events: list[Event], where: tuple[str, int], remote: Remote, token: str
) -> list[Played]:
    host = f"[{where[0]}]" if ":" in where[0] else where[0]
    extra: Mapping[str, str] = {"Authorization": f"Bearer {token}"} if token else {}
    played: list[Played] = []
    ordered = sorted(events, key=lambda each: each.connection)
    async with httpx.AsyncClient(
        base_url=f"http://{host}:{where[1]}", timeout=TIMEOUT, trust_env=False
    ) as client:
        for _, of_one in groupby(ordered, key=lambda each: each.connection):
            said = [*of_one]
            try:
                if any(each.kind in _DIMSE for each in said):
                    played += await play_dimse.play(said, remote)
                else:
                    played += await play_http.play(said, client, extra)
            except (BackendError, httpx.HTTPError) as error:
                raise NoConnection(str(error) or type(error).__name__) from error
    return played


def _table(played: list[Played]) -> None:
    table = Table("", "connection", "what", "then", "now")
    for each in played:
        mark = {True: "same", False: "DIFFERS", None: "left out"}[each.same]
        now = told(each.now) if each.now is not None else each.why
        table.add_row(mark, str(each.connection), printable(each.what), told(each.then), now)
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)
    differ = sum(each.same is False for each in played)
    print(f"{len(played)} played, {differ} differ")
