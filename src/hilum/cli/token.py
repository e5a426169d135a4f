"""`hilum token`: give tokens out, look at them, take them back. Beside a running broker too."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from hilum.auditing import CannotAudit, record
from hilum.cli import complete
from hilum.cli.common import ConfigOption, JsonOption, fail, settings, whoever
from hilum.cli.scu.table import WIDTH
from hilum.config import units
from hilum.config.schema import Settings
from hilum.model.audit import Event, Kind
from hilum.model.errors import HilumError
from hilum.model.issued import LONGEST_NAME, IssuedToken, may_be_named
from hilum.model.principal import Grant, Right
from hilum.state.state import open_beside
from hilum.state.tokens import Tokens

command = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Tokens that this broker issues, for programs without a provider of their own.",
)
T = TypeVar("T")
_NEVER = "never"


@command.command()
def create(  # noqa: PLR0913 - a command line has that many options
    name: Annotated[str, typer.Argument(help="Who gets it; stands in logs and the audit.")],
    *,
    may: Annotated[
        str,
        typer.Option("--may", metavar="RIGHT,…", help=f"What it allows: {', '.join(Right)}."),
    ],
    mounts: Annotated[
        str,
        typer.Option(
            "--mounts",
            metavar="MOUNT,…",
            help="On which mounts; * is every one.",
            autocompletion=complete.mounts,
        ),
    ] = "*",
    expires: Annotated[
        str, typer.Option("--expires", metavar="TIME", help="How long it holds, or never.")
    ] = "90d",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Issue a token. Its text is shown this once: only a hash of it is kept."""
    found = settings(config)
    if not may_be_named(name):
        fail(f"NAME: is empty, longer than {LONGEST_NAME} characters, or cannot be printed")
    grant = Grant(_rights(may), _mounts(mounts, found))
    life = _life(expires)
    made, text = _with(found.state, lambda tokens: tokens.create(name, grant, life))
    _told(found, f"issued token {made.id} to {name}: {may} at {mounts}")
    if as_json:
        print(json.dumps({**_said(made), "token": text}))
        return
    until = "until it is revoked" if made.expires is None else f"until {_date(made.expires)}"
    print(text, "", f"Token {made.id} for {made.name}, good {until}.", sep="\n")
    print(
        "It is not shown again. Send it as `Authorization: Bearer …`, or as User Identity type 5."
    )


@command.command("list")
def list_(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show all tokens, also those that are revoked or have expired; never their text."""
    found = _with(settings(config).state, lambda tokens: tokens.every())
    if as_json:
        print(json.dumps([_said(each) for each in found]))
        return
    if not found:
        print("No token has been issued: hilum token create NAME --may query,retrieve")
        return
    table = Table("id", "name", "may", "mounts", "expires", "last used", "state")
    for each in found:
        table.add_row(*_row(each))
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)


@command.command()
def revoke(
    which: Annotated[str, typer.Argument(metavar="ID|NAME", help="The token.")],
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a token back. A running broker refuses it within 5 seconds."""
    found = settings(config)
    gone = _with(found.state, lambda tokens: tokens.revoke(which))
    _told(found, f"revoked token {gone.id} of {gone.name}")
    if as_json:
        print(json.dumps(_said(gone)))
    else:
        print(f"Token {gone.id} of {gone.name} is revoked.")


def _with(folder: Path, work: Callable[[Tokens], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_beside(folder) as state:
            return await work(state.tokens)

    try:
        return asyncio.run(run())
    except HilumError as error:
        fail(f"{folder}: {error}" if "state" in str(error) else str(error))


def _told(found: Settings, what: str) -> None:
    """One line in the audit, by who is logged in at this machine."""
    try:
        record(found, Event(kind=Kind.CHANGED, who=whoever(), why=what))
    except CannotAudit as error:
        print(f"This is done, but not in the audit: {error}", file=sys.stderr)


def _rights(text: str) -> frozenset[Right]:
    words = _words(text)
    unknown = [each for each in words if each not in set(Right)]
    if unknown or not words:
        fail(f"--may: {', '.join(unknown) or 'nothing'} is no right; there are {', '.join(Right)}")
    return frozenset(Right(each) for each in words)


def _mounts(text: str, found: Settings) -> frozenset[str]:
    words = _words(text)
    unknown = [each for each in words if each != "*" and each not in found.mounts]
    if unknown or not words:
        there = ", ".join(("*", *found.mounts))
        fail(f"--mounts: {', '.join(unknown) or 'nothing'} is no mount; there are {there}")
    return frozenset(words)


def _life(text: str) -> float | None:
    if text == _NEVER:
        return None
    try:
        life = units.seconds(text)
    except ValueError:
        life = 0.0
    if life <= 0:
        fail('--expires: not a time; write it like "90d", "12h" or "never"')
    return life


def _words(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _said(token: IssuedToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "may": sorted(token.grant.rights),
        "mounts": sorted(token.grant.mounts),
        **{
            name: None if when is None else _date(when)
            for name, when in (
                ("created", token.created),
                ("expires", token.expires),
                ("last_used", token.last_used),
                ("revoked", token.revoked),
            )
        },
        "good": token.is_good(time.time()),
    }


def _row(token: IssuedToken) -> list[str]:
    state = "good" if token.is_good(time.time()) else "expired"
    return [
        token.id,
        token.name,
        ",".join(sorted(token.grant.rights)),
        ",".join(sorted(token.grant.mounts)),
        _NEVER if token.expires is None else _date(token.expires),
        _NEVER if token.last_used is None else _date(token.last_used),
        state if token.revoked is None else "revoked",
    ]


def _date(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
