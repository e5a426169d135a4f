"""`hilum backup`: the configuration and the databases, as they are now, in a folder."""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from hilum.backends.archive.keep import INDEX
from hilum.cli.common import ConfigOption, JsonOption, fail, settings
from hilum.config.load import find
from hilum.config.schema import Settings
from hilum.state.copy import copied
from hilum.state.state import FILE

command = typer.Typer(add_completion=False)
_CONFIG = "config.toml"


@command.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder, or an empty one.")],
    *,
    index: Annotated[
        bool, typer.Option("--index", help="Also the archives' indexes, which can be made anew.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the configuration and the state, also while the broker runs.

    The state is what no image holds: issued tokens, logins, Sends that wait. Images and the audit
    are plain files, which anything can copy. What the configuration names by a path (keys,
    certificates, secrets) is not copied.
    """
    found = settings(config)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            fail(f"{folder}: is not empty")
        shutil.copyfile(find(config, os.environ), folder / _CONFIG)
        sizes = {_CONFIG: (folder / _CONFIG).stat().st_size}
        for source, name in databases(found, index=index):
            if not source.is_file():
                continue
            target = folder / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            sizes[name] = copied(source, target)
    except OSError as error:
        fail(f"{error.filename or folder}: {error.strerror}")
    except sqlite3.Error as error:
        fail(f"{folder}: a database cannot be copied: {error}")
    if as_json:
        print(json.dumps({"folder": str(folder.absolute()), "files": sizes}))
        return
    for name, size in sizes.items():
        print(f"{size:>14,} bytes  {folder / name}")


def databases(found: Settings, *, index: bool) -> Iterator[tuple[Path, str]]:
    """Where they are, and where in a backup: as they lie in the data folder by default."""
    yield found.state / FILE, f"state/{FILE}"
    for name in found.archives if index else ():
        folder = found.folder(name)
        yield folder / INDEX, f"archive/{folder.name}/{INDEX}"
