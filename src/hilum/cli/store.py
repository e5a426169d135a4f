"""`hilum store`: send files to a peer."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from hilum.backends.dimse.store import PeerStores
from hilum.cli.common import ConfigOption, JsonOption
from hilum.cli.intake.account import Account
from hilum.cli.intake.work import bring
from hilum.cli.scu.bar import bar
from hilum.cli.scu.calling import CalledOption, CallingOption, PeerArgument, TimeoutOption, whom
from hilum.cli.scu.ending import FAILURE, MISUSE, Misuse, NoConnection, end, run
from hilum.cli.scu.sending import Sending, needs
from hilum.model.errors import BackendError
from hilum.service import signals
from hilum.upper_layer.requestor import Remote

command = typer.Typer(add_completion=False)
INTERRUPTED = 130  # exit code after Ctrl+C, as shells have it


@command.command()
def store(  # noqa: PLR0913 - a command line has that many options
    peer: PeerArgument,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files and folders.", exists=True)
    ],
    *,
    associations: Annotated[
        int, typer.Option("--associations", min=1, max=64, help="Open at the same time.")
    ] = 1,
    called: CalledOption = None,
    calling: CallingOption = None,
    timeout: TimeoutOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send every instance in files and folders to a peer by C-STORE.

    Ends with 0 when the peer has every instance, 1 when it has one not, 2 for a wrong command
    line, 3 when there is no connection or the association is rejected, 130 after Ctrl+C. Files
    that are no instances are told of, but are no failure.
    """
    try:
        to = whom(peer, config, called, calling, timeout)
    except Misuse as error:
        end(MISUSE, *str(error).splitlines(), as_json=as_json)
    account, gone = run(_store(to, paths, associations), as_json=as_json)
    good = not account.refused and not account.stopped
    if as_json:
        print(json.dumps({"ok": good, **account.as_json()}))
    else:
        print(*account.lines(), sep="\n")
    if account.stopped and not gone:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(0 if good else FAILURE)


async def _store(to: Remote, paths: list[Path], associations: int) -> tuple[Account, bool]:
    """The account, and whether the peer went away for good."""
    stop = asyncio.Event()
    task = asyncio.current_task()
    with signals.stops(stop, task.cancel if task else lambda: None), bar() as shown:
        line = shown.add_task("looking", total=None)
        sending = Sending(PeerStores(to), await needs(paths, stop), stop)

        def told(done: int, total: int | None) -> None:
            shown.update(line, description="instances", completed=done, total=total)

        try:
            account = await bring(paths, sending, associations, stop, told)
        except BackendError as error:
            raise NoConnection(str(error)) from error
    return account, sending.gone is not None
