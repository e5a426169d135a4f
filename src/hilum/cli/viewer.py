"""`hilum viewer`: install OHIF, which the broker serves at `/viewer`, look at it, remove it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from hilum.cli.common import ConfigOption, JsonOption, fail, settings
from hilum.cli.ohif import pinned
from hilum.cli.ohif.fetch import CannotInstall, Told, check, fetched
from hilum.cli.ohif.laid import laid
from hilum.cli.scu.bar import bar
from hilum.frontends.dicomweb.viewer_files import INDEX, MARK, named

command = typer.Typer(
    add_completion=False, no_args_is_help=True, help="The viewer, OHIF, that is served at /viewer."
)
_NEW = ".new"  # ending of what is not whole yet


@command.command()
def install(
    *,
    file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="The package; nothing is fetched."),
    ] = None,
    registry: Annotated[
        str,
        typer.Option(
            "--registry",
            metavar="URL",
            envvar=["NPM_CONFIG_REGISTRY", "npm_config_registry"],
            help="The npm registry that has the package.",
        ),
    ] = pinned.REGISTRY,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch OHIF from npm, check it, and lay it down where the broker finds it.

    A broker that runs serves it at once. Safe to repeat: what is there already is not fetched.
    """
    folder = settings(config).viewer
    fresh = named(folder) != pinned.RELEASE or not (folder / pinned.RELEASE / INDEX).is_file()
    try:
        if fresh:
            with bar() as shown:
                _install(folder, file, registry, shown)
    except CannotInstall as error:
        fail(f"the viewer is not installed: {error}", *_advice(file))
    except OSError as error:
        fail(f"the viewer is not installed: {error.filename}: {error.strerror}")
    if as_json:
        print(json.dumps({**_status(folder), "fresh": fresh}))
    else:
        print(f"OHIF {pinned.VERSION} is {'installed' if fresh else 'there already'}, in {folder}.")


@command.command()
def status(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Tell whether a viewer is installed; ends with 1 where there is none."""
    found = settings(config)
    told = _status(found.viewer) | {"served": found.http.viewer and found.has_http}
    if as_json:
        print(json.dumps(told))
    elif told["installed"]:
        print(f"{told['release']} is installed, in {told['folder']}, {told['size'] / 1e6:.0f} MB.")
        if not told["current"]:
            print(f"This version of Hilum comes with {pinned.RELEASE}: hilum viewer install")
        if not told["served"]:
            print("It is not served: http.viewer or frontend.mode of the configuration says so.")
    else:
        print("No viewer is installed: hilum viewer install")
    raise typer.Exit(0 if told["installed"] else 1)


@command.command()
def remove(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Remove the viewer."""
    folder = settings(config).viewer
    there = folder.is_dir()
    try:
        if there:
            (folder / MARK).unlink(missing_ok=True)  # from here on nobody is given a part of it
            shutil.rmtree(folder)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    if as_json:
        print(json.dumps({"removed": there}))
    else:
        print("The viewer is removed." if there else "No viewer is installed.")


def _install(folder: Path, file: Path | None, registry: str, shown: Progress) -> None:
    """The package, checked, unpacked beside its place, and put there in one step.

    Raises:
        CannotInstall: the package is not to be had, or is another.
        OSError: something cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    release = folder / pinned.RELEASE
    with _passing(folder / (pinned.FILE + _NEW)) as package, _passing(folder / _NEW) as fresh:
        if file is None:
            fetched(registry, package, _line(shown, "fetching"))
        check(file or package)
        laid(file or package, fresh, _line(shown, "unpacking"))
        _gone(release)  # half a release, or one that nothing names
        fresh.replace(release)
        mark = folder / (MARK + _NEW)
        mark.write_text(pinned.RELEASE + "\n", encoding="utf-8")
        mark.replace(folder / MARK)
    for other in folder.iterdir():
        if other.is_dir() and other != release:
            _gone(other)


@contextmanager
def _passing(path: Path) -> Iterator[Path]:
    """A place that is empty now and will be gone."""
    _gone(path)
    try:
        yield path
    finally:
        _gone(path)


def _gone(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _line(shown: Progress, text: str) -> Told:
    line = shown.add_task(text, total=None)

    def told(done: int, total: int) -> None:
        shown.update(line, completed=done, total=total)

    return told


def _advice(file: Path | None) -> list[str]:
    if file is not None:
        return []
    return [
        "Where there is no way to the registry: fetch the package elsewhere, by",
        f"    npm pack {pinned.PACKAGE}@{pinned.VERSION}",
        f"and install it here:  hilum viewer install --from {pinned.FILE}",
    ]


def _status(folder: Path) -> dict[str, Any]:
    release = named(folder)
    root = folder / release if release else folder
    there = release is not None and (root / INDEX).is_file()
    files = [path for path in root.rglob("*") if path.is_file()] if there else []
    return {
        "installed": there,
        "release": release if there else None,
        "current": there and release == pinned.RELEASE,
        "version": pinned.VERSION,
        "licence": pinned.LICENCE,
        "folder": str(folder),
        "size": sum(path.stat().st_size for path in files),
    }
