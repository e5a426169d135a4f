"""`hilum selftest`: the running broker against its own conformance statement."""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.table import Table

from hilum.cli import complete
from hilum.cli.common import ConfigOption, JsonOption, settings
from hilum.cli.scu.ending import MISUSE, end, printable
from hilum.cli.stated.facts import stated
from hilum.cli.tested import dimse, storing, tls, web
from hilum.cli.tested.row import Failed, Row, Skipped, Subject, Tested
from hilum.cli.walk.row import ourselves_by_web, web_root
from hilum.config.schema import Settings
from hilum.model.errors import BackendUnavailable, HilumError
from hilum.net import access
from hilum.service import loop
from hilum.upper_layer.standing import AssociationLost, AssociationRejected

command = typer.Typer(add_completion=False)
TIMEOUT = 30.0  # seconds for each answer
WIDTH = 150  # characters, where nobody looks at a terminal
_CLOSED = {"dimse": "the DIMSE door is closed", "http": "the DICOMweb door is closed"}
_START = "start it with `hilum run`, or name the configuration that it runs with by --config"


@command.command()
def selftest(
    *,
    mount: Annotated[
        list[str] | None,
        typer.Option(
            "--mount",
            "-m",
            metavar="AET",
            help="Only this mount; repeat for more.",
            autocompletion=complete.mounts,
        ),
    ] = None,
    store: Annotated[
        bool,
        typer.Option(
            "--store",
            help="Also store a small generated study where it can be deleted again, and do so.",
        ),
    ] = False,
    token: Annotated[
        Path | None,
        typer.Option("--token", metavar="FILE", help="A file with a token, where logins are on."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the running broker against its conformance statement, by real connections.

    Tries every SOP class and transfer syntax, a query at each level, what it finds by WADO-RS,
    capabilities, FHIR, versions of TLS, and that strangers are refused. Nothing is written
    without --store.

    Ends with 0 when nothing failed, 1 when a row did, 2 for a wrong command line.
    """
    found = settings(config)
    unknown = [each for each in mount or () if each not in found.mounts]
    if unknown:
        end(MISUSE, f"no mount is called {unknown[0]}; there is {', '.join(found.mounts)}")
    try:
        shown = token.read_text(encoding="ascii").strip() if token else ""
    except (OSError, ValueError):
        end(MISUSE, f"{token}: cannot be read as a token")
    tested = loop.run(_tested(found, mount or [*found.mounts], shown, may_write=store))
    good = all(each.ok is not False for each in tested)
    if as_json:
        print(json.dumps({"ok": good, "rows": [asdict(each) for each in tested]}))
    else:
        _table(tested)
    raise typer.Exit(0 if good else 1)


async def _tested(
    found: Settings, mounts: Iterable[str], token: str, *, may_write: bool
) -> list[Tested]:
    statement = stated(found)
    outcomes: list[Tested] = []
    async with httpx.AsyncClient(
        base_url=web_root(found),
        timeout=TIMEOUT,
        trust_env=False,
        verify=await access.tls(ourselves_by_web(found)),
    ) as client:
        entities = [each for each in statement.entities if each.aet in mounts]
        for at, entity in enumerate(entities):
            subject = Subject(found, statement, entity, client, token, may_write)
            first = (tls.ROW, *web.OF_THE_SERVICE) if at == 0 else ()
            outcomes += [await _row(row, subject, "") for row in first]
            rows = (storing.STORE, *web.ROWS, *dimse.ROWS, storing.REMOVE)
            outcomes += [await _row(row, subject, entity.aet) for row in rows]
    return outcomes


async def _row(row: Row, subject: Subject, mount: str) -> Tested:
    mode = subject.settings.frontend.mode
    if row.door and mode not in {"both", row.door}:
        return Tested(mount, row.what, None, _CLOSED[row.door])
    began = time.monotonic()
    ok: bool | None = False
    fix = ""
    try:
        said = await row.run(subject)
        ok = True
    except Skipped as error:
        said, ok = str(error), None
    except Failed as error:
        said, fix = str(error), error.fix
    except AssociationRejected as error:
        said, fix = str(error), _of_rejection(subject)
    except (HilumError, httpx.HTTPError, OSError) as error:
        said = str(error) or type(error).__name__
        fix = _of_error(subject, error)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        said = f"the answer cannot be understood: {type(error).__name__}"
    return Tested(mount, row.what, ok, printable(said), fix, round(time.monotonic() - began, 4))


def _of_rejection(subject: Subject) -> str:
    if subject.settings.auth.enabled:
        return "show a token that is good by --token FILE; the broker's log says what is wrong"
    return "the broker's log has the lines to add to [peers]; or it runs with another configuration"


def _of_error(subject: Subject, error: Exception) -> str:
    if isinstance(error, AssociationLost):
        return "the broker's log says why"
    if isinstance(error, (BackendUnavailable, httpx.ConnectError, ConnectionError)):
        return _START
    return subject.far if isinstance(error, HilumError) else "the broker's log says more"


def _table(tested: list[Tested]) -> None:
    table = Table("", "mount")
    table.add_column("what", no_wrap=True)
    table.add_column("what came back", overflow="fold")
    table.add_column("what helps", overflow="fold")
    for each in tested:
        mark = {True: "ok", False: "FAILED", None: "skipped"}[each.ok]
        table.add_row(mark, each.mount, each.what, each.said, each.fix)
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)
    count = {ok: sum(each.ok is ok for each in tested) for ok in (True, False, None)}
    print(f"{count[True]} ok, {count[False]} failed, {count[None]} skipped")
