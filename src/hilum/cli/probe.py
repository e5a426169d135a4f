"""`hilum probe`: learn what a peer is like, and how a mount for it is configured."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hilum.backends.dimse.findings import Finding, Known
from hilum.backends.dimse.probe import DEADLINE, Wishes, probe
from hilum.backends.dimse.proposal import free_name, mount_name, proposed
from hilum.backends.dimse.remote import remote_of
from hilum.backends.dimse.trial.moving import Door
from hilum.cli import complete
from hilum.cli.common import ConfigOption, JsonOption
from hilum.cli.scu.calling import CALLING, CalledOption, CallingOption, whom
from hilum.cli.scu.ending import MISUSE, Misuse, NoConnection, end, printable, run
from hilum.cli.scu.table import WIDTH
from hilum.config.kinds import ae_title
from hilum.config.load import ConfigError, load
from hilum.config.mounts import DimseMount
from hilum.config.schema import Settings
from hilum.model.errors import BackendError
from hilum.upper_layer.requestor import Remote

command = typer.Typer(add_completion=False)
_PORT = 11112  # of dimse.port, where there is no configuration
_ANYWHERE = "0.0.0.0"  # noqa: S104 - the peer calls us from another machine


@command.command(name="probe")
def probe_(  # noqa: PLR0913 - a command line has that many options
    peer: Annotated[
        str,
        typer.Argument(
            metavar="PEER",
            help="HOST:PORT, AET@HOST:PORT, or the name of a peer or of a DIMSE mount in the "
            "configuration.",
            autocompletion=complete.peers,
        ),
    ],
    *,
    retrieve: Annotated[
        bool,
        typer.Option("--retrieve/--no-retrieve", help="Retrieve one small instance, or none."),
    ] = True,
    receiver: Annotated[
        str | None,
        typer.Option(
            metavar="AET",
            help="Try a C-MOVE too, to this AE title, by which the peer knows this machine.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            help="Where the peer believes that AE title to listen; else dimse.port, or 11112.",
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option("--timeout", metavar="SECONDS", min=0.1, help="For each experiment."),
    ] = DEADLINE,
    called: CalledOption = None,
    calling: CallingOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn by harmless experiments what a peer can do and what it does wrong.

    Prints what was found, and then the table of a mount for the configuration. Nothing is
    stored at the peer; one small instance is retrieved and thrown away.

    Ends with 0 when the peer was probed, whatever was found, 1 when something here failed, 2 for
    a wrong command line, 3 when there is no connection or the association is rejected.
    """
    try:
        settings = _settings(config)
        name, to = _whom(settings, peer, config, called, calling)
        door = _door(settings, receiver, port)
    except Misuse as error:
        end(MISUSE, *str(error).splitlines(), as_json=as_json)
    known = run(_probe(to, Wishes(timeout, retrieve, door)), as_json=as_json)
    own = settings.server.aet if settings else CALLING
    _, table = proposed(known, name, to, own)
    if as_json:
        _print_json(known, to, table)
    else:
        _print(known.findings)
        print(f"\nFor the configuration:\n\n{table}", end="")


async def _probe(to: Remote, wishes: Wishes) -> Known:
    heard: list[Finding] = []
    try:
        return await probe(to, wishes, heard.append)
    except BackendError as error:
        raise NoConnection(str(error)) from error


def _settings(config: Path | None) -> Settings | None:
    """The configuration; None where none was named and there is none that can be used.

    Raises:
        Misuse: the one that was named cannot be used.
    """
    try:
        return load(config, os.environ)
    except ConfigError as error:
        if config is not None:
            raise Misuse("\n".join(error.problems)) from None
        return None


def _whom(
    settings: Settings | None,
    peer: str,
    config: Path | None,
    called: str | None,
    calling: str | None,
) -> tuple[str, Remote]:
    """The name for the mount, and the peer.

    Raises:
        Misuse: there is none of that name, or an AE title cannot be one.
    """
    mount = settings.mounts.get(peer) if settings else None
    if settings is None or not isinstance(mount, DimseMount):
        to = whom(peer, config, called, calling)
        return free_name(to.called, settings) if settings else mount_name(to.called), to
    to = remote_of(mount, settings.server.aet, settings.tls)
    try:
        ours, theirs = ae_title(calling or to.calling), ae_title(called or to.called)
    except ValueError as error:
        raise Misuse(str(error)) from None
    return peer, replace(to, calling=ours, called=theirs)


def _door(settings: Settings | None, receiver: str | None, port: int | None) -> Door | None:
    """Where a C-MOVE can reach us; None: none is tried.

    Raises:
        Misuse: the AE title cannot be one, or no port is known.
    """
    if receiver is None:
        return None
    try:
        title = ae_title(receiver)
    except ValueError as error:
        raise Misuse(str(error)) from None
    at = port or (settings.dimse.port if settings else _PORT)
    if not at:
        raise Misuse("dimse.port is 0, any free one: say with --port where the peer calls us")
    return Door(title, settings.dimse.bind if settings else _ANYWHERE, at)


def _print_json(known: Known, to: Remote, table: str) -> None:
    findings = {each.name: {"value": each.value, "text": each.text} for each in known.findings}
    print(
        json.dumps(
            {
                "ok": True,
                "aet": to.called,
                "host": to.host,
                "port": to.port,
                "findings": findings,
                "settings": known.settings,
                "toml": table,
            }
        )
    )


def _print(findings: list[Finding]) -> None:
    table = Table(show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for each in findings:
        table.add_row(each.title, printable(each.text))
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)
