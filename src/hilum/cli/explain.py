"""`hilum explain`: which way a request would go, and why."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hilum.cli import complete
from hilum.cli.common import ConfigOption, JsonOption, settings
from hilum.cli.scu.asked import KeysOption, LevelOption, ModelOption, RelationalOption, asked
from hilum.cli.scu.ending import MISUSE, Misuse, end, printable, run
from hilum.config.schema import Settings
from hilum.core.explained import Route, Way
from hilum.explaining.request import Request, of_keys, of_line
from hilum.model.errors import BadRequest, HilumError
from hilum.model.identity import Level

command = typer.Typer(add_completion=False)


@command.command()
def explain(  # noqa: PLR0913 - a command line has that many options
    request: Annotated[
        str | None,
        typer.Argument(metavar="[REQUEST]", help="'GET /aets/PACS/studies?PatientName=A*'"),
    ] = None,
    *,
    mount: Annotated[
        str | None,
        typer.Option(
            "--mount",
            "-m",
            help="AE title that a C-FIND is for; else the default mount's.",
            autocompletion=complete.mounts,
        ),
    ] = None,
    keys: KeysOption = None,
    level: LevelOption = None,
    model: ModelOption = None,
    relational: RelationalOption = False,
    who: Annotated[
        str | None,
        typer.Option(
            "--as",
            help="Who asks: a peer, the name of a token, the subject of a certificate, or"
            " 'anonymous'.",
        ),
    ] = None,
    token: Annotated[
        Path | None, typer.Option("--token", help="A file with the token of who asks.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print which way a request would go: mount, backend, what is sent, what is filtered here.

    The request is an HTTP request line, or a C-FIND given by --key. Nothing is called: where it
    depends on what the far side is able to, each way is printed. With --as or --token it is also
    said by which rule that caller may ask so; the keys of a token may have to be fetched.

    Ends with 0; 1 for a wrong configuration; 2 for a request that would be refused.
    """
    told = settings(config)
    by_keys = bool(keys or level or mount or model)
    if (request is None) is not by_keys:
        end(MISUSE, "give a request line, or a C-FIND by --key, --level and --mount", as_json=False)
    try:
        if request is not None:
            what = of_line(request, told)
        else:
            wanted = asked(keys, level, model, Level.STUDY)
            what = of_keys(wanted, mount, told, relational=relational)
    except (BadRequest, Misuse) as error:
        end(MISUSE, str(error), as_json=as_json)
    found = run(_route(what, told, who, token), as_json=as_json)
    if as_json:
        print(json.dumps(asdict(found)))
        return
    for line in _lines(found):
        print(printable(line))


async def _route(request: Request, told: Settings, who: str | None, token: Path | None) -> Route:
    """The route of a request.

    Raises:
        Misuse: it would be refused.
    """
    # Imported when it is done: to print the help, or complete a word, no backend is needed.
    from hilum.explaining.beside import allowed_beside  # noqa: PLC0415
    from hilum.explaining.route import route  # noqa: PLC0415

    try:
        by = []
        if who is not None or token is not None:
            shown = None if token is None else _read(token)
            by = await allowed_beside(request, told, who or "", shown)
        return await route(request, told, by)
    except HilumError as error:
        raise Misuse(str(error)) from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        raise Misuse(f"{path}: cannot be read as a token") from None


def _lines(route: Route) -> Iterator[str]:
    yield f"{route.request}: {route.operation}"
    yield f"door {route.door}"
    if route.mount:
        yield f"mount {route.mount}{f' ({route.backend})' if route.backend else ''}"
    yield from route.allowed
    for way in route.ways:
        yield ""
        yield from _of_way(way)
    if route.notes:
        yield ""
    for note in route.notes:
        yield f"- {note}"


def _of_way(way: Way) -> Iterator[str]:
    if way.when:
        yield f"{way.when}:"
    if way.refused:
        yield f"  refused: {way.refused}"
    for number, step in enumerate(way.steps, 1):
        yield f"  {number}. {step.level} level: {step.why}"
        for at, question in enumerate(step.sends):
            yield from ["     and"] if at else []
            yield from (f"       {line}" for line in question)
        if step.filtered:
            yield f"     answers that contradict this are dropped: {', '.join(step.filtered)}"
    yield from (f"  - {note}" for note in way.notes)
