"""`hilum demo`: walk every operation of the broker that runs with a configuration."""

import json
import time
from dataclasses import dataclass, replace
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.table import Table

from hilum.cli.common import ConfigOption, JsonOption, fail, settings
from hilum.cli.walk import crossing as crossings
from hilum.cli.walk.far import CannotCross
from hilum.cli.walk.row import Failed, Row, Walk, ourselves_by_web, web_root
from hilum.cli.walk.rows import ROWS
from hilum.cli.walk.study import study
from hilum.config.schema import Settings
from hilum.model.errors import HilumError
from hilum.net import access
from hilum.service import loop

command = typer.Typer(add_completion=False)
STRANGER = "HILUM_DEMO"  # AE title of a caller that nobody knows
TIMEOUT = 30.0  # seconds for each answer
_KINDS = {"dimse": "the DIMSE door is closed", "http": "the DICOMweb door is closed"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one row.

    Attributes:
        good: None where the row was left out.
        text: what came back, or why nothing did.
        seconds: how long it took.
    """

    operation: str
    good: bool | None
    text: str
    seconds: float
    mount: str = ""
    becomes: str = ""


@command.command()
def demo(
    *,
    config: ConfigOption = None,
    crossing: Annotated[
        bool,
        typer.Option(
            "--crossing",
            help="Walk a broker between two protocols instead, with real peers that are started "
            "for it: Orthanc where it is installed, else a second Hilum.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Walk every operation of the broker that runs with a configuration.

    Stores two small generated studies, the same ones each time, in its default mount.
    """
    outcomes = _crossed(quiet=as_json) if crossing else loop.run(walk(settings(config)))
    if as_json:
        print(json.dumps([_as_json(each) for each in outcomes]))
    else:
        _table(outcomes)
    raise typer.Exit(0 if all(each.good is not False for each in outcomes) else 1)


def _crossed(*, quiet: bool) -> list[Outcome]:
    """All rows of a mount on a PACS and of one on an origin server."""
    try:
        with crossings.crossing() as found:
            if not quiet:
                print(f"PACS and CLOUD are {found.behind}, spoken to by DIMSE and by DICOMweb.")
            outcomes = []
            for mount, rows in crossings.ROWS.items():
                walked = loop.run(walk(found.settings, rows, mount=mount))
                outcomes += [
                    replace(each, mount=mount, becomes=crossings.becomes(mount, each.operation))
                    for each in walked
                ]
            return outcomes
    except CannotCross as error:
        fail(str(error))


async def walk(
    found: Settings,
    rows: tuple[Row, ...] = ROWS,
    transport: httpx.AsyncBaseTransport | None = None,
    mount: str | None = None,
) -> list[Outcome]:
    """All rows, one after another.

    Args:
        found: the settings that the broker runs with.
        rows: what to walk.
        transport: of the HTTP client, where it is not the network.
        mount: which mount; None: the default one.
    """
    caller = next((peer.aet for peer in found.peers.values()), STRANGER)
    async with httpx.AsyncClient(
        base_url=web_root(found),
        timeout=TIMEOUT,
        trust_env=False,
        transport=transport,
        verify=await access.tls(ourselves_by_web(found)),
    ) as client:
        # a study of its own for each mount: two of them may have the same system behind them
        prefix = f"{mount} " if mount else ""
        with_it = Walk(found, client, study(f"{prefix}DIMSE"), study(f"{prefix}WEB"), caller, mount)
        return [await _row(row, with_it) for row in rows]


async def _row(row: Row, with_it: Walk) -> Outcome:
    mode = with_it.settings.frontend.mode
    if mode not in {"both", row.door}:
        return Outcome(row.operation, None, _KINDS[row.door], 0.0)
    began = time.monotonic()
    try:
        text, good = await row.run(with_it), True
    except (Failed, HilumError) as error:
        text, good = str(error), False
    except (httpx.HTTPError, OSError) as error:
        text, good = f"{type(error).__name__}: {error}", False
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        text, good = f"the answer cannot be understood: {type(error).__name__}", False
    return Outcome(row.operation, good, text, time.monotonic() - began)


def _as_json(outcome: Outcome) -> dict[str, object]:
    return {
        **({"mount": outcome.mount, "becomes": outcome.becomes} if outcome.mount else {}),
        "operation": outcome.operation,
        "ok": outcome.good,
        "result": outcome.text,
        "seconds": round(outcome.seconds, 4),
    }


def _table(outcomes: list[Outcome]) -> None:
    crossed = any(each.mount for each in outcomes)
    table = Table("", *(["mount"] if crossed else []), "operation")
    if crossed:
        table.add_column("becomes")
    table.add_column("what came back")
    table.add_column("time")
    for each in outcomes:
        mark = {True: "ok", False: "FAILED", None: "-"}[each.good]
        spent = f"{each.seconds * 1000:.1f} ms" if each.good is not None else ""
        cells = [each.mount, each.operation, each.becomes] if crossed else [each.operation]
        table.add_row(mark, *cells, each.text, spent)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 140 if crossed else 120
    console.print(table)
