"""`hilum queue`: what is still to be brought to other systems; have it tried again, or drop it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from hilum.cli.common import ConfigOption, JsonOption, fail, settings
from hilum.cli.scu.table import WIDTH
from hilum.core.queue import Kept
from hilum.model.errors import HilumError
from hilum.state.queue import Queue
from hilum.state.state import open_beside

command = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help=(
        "What is still to be brought to other systems: studies to a FHIR server "
        "(mounts.NAME.publish). Each is an errand; it waits while that system is down, and is "
        "given up (dead) once it is refused, or has failed for too long. Beside a running broker "
        "too."
    ),
)
T = TypeVar("T")
_MOST = 1000
_ALL = 10**9

KindOption = Annotated[
    str | None, typer.Option("--kind", metavar="KIND", help="Only of this kind, such as publish.")
]
TargetOption = Annotated[
    str | None, typer.Option("--target", metavar="NAME", help="Only for this mount.")
]
IdsArgument = Annotated[
    list[int] | None, typer.Argument(metavar="[ID]…", help="Errands, by what `list` shows.")
]


@command.command("list")
def list_(  # noqa: PLR0913 - a command line has that many options
    *,
    dead: Annotated[
        bool, typer.Option("--dead", help="Only those that are given up, and why.")
    ] = False,
    kind: KindOption = None,
    target: TargetOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The most that are shown.")] = _MOST,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show errands, the next one first."""
    found = _with(
        settings(config).state,
        lambda queue: queue.every(kind=kind, target=target, dead=dead or None, most=limit + 1),
    )
    shown, there_are_more = found[:limit], len(found) > limit
    if as_json:
        print(json.dumps([_said(each) for each in shown]))
    elif not shown:
        print("No errand is given up." if dead else "Nothing waits: all is done.")
    else:
        _print(shown)
        if there_are_more:
            print(f"There are more than these {limit}; see --limit.")


@command.command()
def retry(  # noqa: PLR0913 - as above
    ids: IdsArgument = None,
    *,
    dead: Annotated[bool, typer.Option("--dead", help="All that are given up.")] = False,
    kind: KindOption = None,
    target: TargetOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have errands tried again now, also those that are given up. They begin to age anew."""

    async def run(queue: Queue) -> int:
        return await queue.retry(await _meant(queue, ids, kind, target, dead=dead))

    _count(_with(settings(config).state, run), "due now", ids, as_json=as_json)


@command.command()
def drop(  # noqa: PLR0913 - as above
    ids: IdsArgument = None,
    *,
    dead: Annotated[bool, typer.Option("--dead", help="All that are given up.")] = False,
    kind: KindOption = None,
    target: TargetOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget errands: they are never done. A later change of the study makes a new one."""

    async def run(queue: Queue) -> int:
        return await queue.drop(await _meant(queue, ids, kind, target, dead=dead))

    _count(_with(settings(config).state, run), "dropped", ids, as_json=as_json)


async def _meant(
    queue: Queue, ids: Sequence[int] | None, kind: str | None, target: str | None, *, dead: bool
) -> list[int]:
    """The ids that are meant: named, or of all that are given up."""
    if bool(ids) == dead:
        fail("say which: either ids, as `hilum queue list` shows them, or --dead for all given up")
    if ids:
        if kind is not None or target is not None:
            fail("--kind and --target go with --dead, not with ids")
        return [*ids]
    found = await queue.every(kind=kind, target=target, dead=True, most=_ALL)
    return [each.id for each in found]


def _count(count: int, what: str, ids: Sequence[int] | None, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"count": count}))
    else:
        print(f"{count} {'errand is' if count == 1 else 'errands are'} {what}.")
    missing = len({*(ids or ())}) - count
    if missing > 0:
        fail(f"{missing} of them {'is' if missing == 1 else 'are'} not there: done, or dropped")


def _with(folder: Path, work: Callable[[Queue], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_beside(folder) as state:
            return await work(state.queue)

    try:
        return asyncio.run(run())
    except HilumError as error:
        fail(f"{folder}: {error}")


def _state(kept: Kept) -> str:
    if kept.is_dead:
        return "dead"
    return "running" if kept.leased_until > datetime.now(UTC).timestamp() else "waiting"


def _said(kept: Kept) -> dict[str, Any]:
    errand = kept.errand
    return {
        "id": kept.id,
        "kind": errand.kind,
        "target": errand.target,
        "key": errand.key,
        "state": _state(kept),
        "attempts": kept.attempts,
        "created": _date(kept.created),
        "due": _date(kept.due),
        "reason": kept.reason,
    }


def _print(found: Sequence[Kept]) -> None:
    table = Table("id", "kind", "for", "about", "state", "tried", "due", "reason")
    for each in found:
        said = _said(each)
        due = "" if each.is_dead else said["due"]
        names = ("id", "kind", "target", "key", "state", "attempts")
        table.add_row(*(str(said[name]) for name in names), due, each.reason)
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)


def _date(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
