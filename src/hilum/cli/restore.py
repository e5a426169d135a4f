"""`hilum restore`: the databases of a backup, in the place of those that are there."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hilum.cli.backup import databases
from hilum.cli.common import ConfigOption, JsonOption, fail, settings
from hilum.model.errors import BackendUnavailable
from hilum.state.lock import Lock

command = typer.Typer(add_completion=False)
_NEW = ".new"  # ending of what is not whole yet


@command.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="What `hilum backup` has written.")],
    *,
    index: Annotated[
        bool, typer.Option("--index", help="Also the archives' indexes, if they are in it.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put the state of a backup in the place of the present one. The broker must not run.

    Neither the configuration nor any image is touched. An index knows the images of its time: take
    it back only together with them, else let it be made anew (delete `index.db`).
    """
    found = settings(config)
    there = [
        (folder / name, target)
        for target, name in databases(found, index=index)
        if (folder / name).is_file()
    ]
    if not there:
        fail(f"{folder}: there is no backup in it")
    try:
        for source, target in there:
            with _held(target.parent):
                _replaced(source, target)
    except BackendUnavailable as error:
        fail(f"{error}; stop it before")
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    if as_json:
        print(json.dumps({"restored": [str(target) for _, target in there]}))
        return
    for _, target in there:
        print(f"{target} is restored.")


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = Lock(folder, str(folder))
    try:
        yield
    finally:
        lock.release()


def _replaced(source: Path, target: Path) -> None:
    """The log of the one that goes must not be taken for that of the one that comes."""
    fresh = target.with_name(target.name + _NEW)
    shutil.copyfile(source, fresh)
    fresh.chmod(0o600)
    with fresh.open("rb") as written:
        os.fsync(written.fileno())
    for ending in ("-wal", "-shm"):
        target.with_name(target.name + ending).unlink(missing_ok=True)
    fresh.replace(target)
