"""`hilum move`: have a peer send instances to another one."""

import json
import sys
from typing import Annotated

import typer

from hilum.backends.dimse import retrieve as dimse
from hilum.backends.dimse.asking import wanted
from hilum.backends.dimse.retrieve import Retrieval
from hilum.cli import complete
from hilum.cli.common import ConfigOption, JsonOption
from hilum.cli.scu.asked import Asked, KeysOption, LevelOption, ModelOption, RelationalOption, asked
from hilum.cli.scu.bar import bar
from hilum.cli.scu.calling import (
    CalledOption,
    CallingOption,
    PeerArgument,
    TimeoutOption,
    associated,
    whom,
)
from hilum.cli.scu.counts import as_json as counts
from hilum.cli.scu.counts import follow, lines
from hilum.cli.scu.ending import FAILURE, MISUSE, Misuse, end, run
from hilum.codec.sop_class import PATIENT_ROOT_MOVE, STUDY_ROOT_MOVE
from hilum.config.kinds import ae_title
from hilum.upper_layer.requestor import Remote

command = typer.Typer(add_completion=False)


@command.command()
def move(  # noqa: PLR0913 - a command line has that many options
    peer: PeerArgument,
    *,
    destination: Annotated[
        str,
        typer.Option(
            "--destination",
            "-d",
            metavar="AET",
            help="Where to: one the peer knows.",
            autocompletion=complete.destinations,
        ),
    ],
    keys: KeysOption = None,
    level: LevelOption = None,
    model: ModelOption = None,
    relational: RelationalOption = False,
    called: CalledOption = None,
    calling: CallingOption = None,
    timeout: TimeoutOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have a peer send instances to another AE title by C-MOVE.

    What: -k StudyInstanceUID=1.2.3, or the unique key of another level (and those above it).

    Ends with 0 when all were sent, 1 when something failed, 2 for a wrong command line, 3 when
    there is no connection or the association is rejected.
    """
    try:
        to = whom(peer, config, called, calling, timeout)
        what = asked(keys, level, model, None)
        destination = ae_title(destination)
    except Misuse as error:
        end(MISUSE, *str(error).splitlines(), as_json=as_json)
    except ValueError as error:
        end(MISUSE, f"--destination: {error}", as_json=as_json)
    moved = run(_move(to, what, destination, relational=relational), as_json=as_json)
    good = moved.status == 0 and not moved.progress.failed
    if as_json:
        print(json.dumps({"ok": good, **counts(moved)}))
    else:
        sent = moved.progress.completed + moved.progress.warning
        print(f"{sent} of {sent + moved.progress.failed} sent to {destination}")
        print(*lines(moved), sep="", end="", file=sys.stderr)
    raise typer.Exit(0 if good else FAILURE)


async def _move(to: Remote, what: Asked, destination: str, *, relational: bool) -> Retrieval:
    uid = PATIENT_ROOT_MOVE if what.patient_root else STUDY_ROOT_MOVE
    extended = {uid: dimse.RELATIONAL} if relational else {}
    async with associated(to, [wanted(uid)], extended=extended) as association:
        moving = dimse.move(
            association, what.level, what.keys, destination, patient_root=what.patient_root
        )
        with bar() as shown:
            async with moving as retrieval:
                await follow(retrieval, shown)
    return retrieval
