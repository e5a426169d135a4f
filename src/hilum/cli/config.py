"""`hilum config`: open the page on which the broker is configured, in a browser."""

import json
import socket
import webbrowser
from typing import Annotated

import typer

from hilum.cli.common import ConfigOption, JsonOption, fail, reachable, settings
from hilum.config.schema import HttpSettings

command = typer.Typer(add_completion=False)
_PATIENCE = 2.0  # seconds for the door to take a connection


@command.command()
def config(
    *,
    only_print: Annotated[
        bool, typer.Option("--print", help="Only print where it is; open nothing.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Open the page of administrators that shows and edits the configuration of a running broker.

    Starts nothing itself: the broker must run, with `admin.enabled = true`.
    """
    found = settings(config)
    if not found.admin.enabled:
        fail(
            "admin.enabled: is false, so there is no such page: write enabled = true below [admin] "
            "and start the broker again; `hilum check` tells whether the file is good"
        )
    door = found.admin_door
    if door.port == 0:
        fail("admin.port: is 0, so that nobody knows it: the broker said its URL as it started")
    url, answers = f"{_root(door)}/config", _answers(door)
    if as_json:
        print(json.dumps({"url": url, "answers": answers}))
        raise typer.Exit(0 if answers else 1)
    print(url)
    if not answers:
        fail("nobody answers there: start the broker by `hilum run`, or its service")
    if not only_print and not webbrowser.open(url):
        print("There is no browser here: open it in one that reaches this machine.")


def _root(door: HttpSettings) -> str:
    if door.public_root is not None:
        return door.public_root
    host = reachable(door.bind)
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if door.tls else 'http'}://{host}:{door.port}{door.base_path}"


def _answers(door: HttpSettings) -> bool:
    """Whether somebody takes connections there."""
    try:
        with socket.create_connection((reachable(door.bind), door.port), _PATIENCE):
            return True
    except OSError:
        return False
