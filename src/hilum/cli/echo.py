"""`hilum echo`: ask a peer whether it lives."""

import json
import time

import typer

from hilum.backends.dimse import echo as dimse
from hilum.cli.common import ConfigOption, JsonOption
from hilum.cli.scu.calling import (
    CalledOption,
    CallingOption,
    PeerArgument,
    TimeoutOption,
    associated,
    whom,
)
from hilum.cli.scu.ending import MISUSE, Misuse, end, run
from hilum.upper_layer.requestor import Remote

command = typer.Typer(add_completion=False)


@command.command()
def echo(  # noqa: PLR0913 - a command line has that many options
    peer: PeerArgument,
    *,
    called: CalledOption = None,
    calling: CallingOption = None,
    timeout: TimeoutOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a peer by C-ECHO whether it lives.

    Ends with 0 when it does, 1 when it fails, 2 for a wrong command line, 3 when there is no
    connection or the association is rejected.
    """
    try:
        to = whom(peer, config, called, calling, timeout)
    except Misuse as error:
        end(MISUSE, *str(error).splitlines(), as_json=as_json)
    opened, answered = run(_echo(to), as_json=as_json)
    if as_json:
        print(
            json.dumps(
                {
                    "ok": True,
                    "aet": to.called,
                    "host": to.host,
                    "port": to.port,
                    "association_seconds": round(opened, 6),
                    "echo_seconds": round(answered, 6),
                }
            )
        )
    else:
        print(
            f"{to.called} at {to.host}:{to.port} lives: association in {opened * 1000:.1f} ms, "
            f"echo in {answered * 1000:.1f} ms"
        )


async def _echo(to: Remote) -> tuple[float, float]:
    """Seconds until the association was open, and until the echo was answered."""
    began = time.monotonic()
    async with associated(to, [dimse.CONTEXT]) as association:
        opened = time.monotonic()
        await dimse.echo(association)
        return opened - began, time.monotonic() - opened
