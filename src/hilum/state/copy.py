"""How is a database copied while it is written? As it is at one moment, by SQLite itself."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path


def copied(source: Path, target: Path) -> int:
    """The database `source` in the new file `target`, which only its owner can read; its size.

    Who writes meanwhile is not held up, and what is written meanwhile is not in it. A file beside
    a database holds its latest changes (its log), so that `cp` would miss them, or tear them.

    Raises:
        OSError: there is no such database, or no room; a file that is there is not written over.
        sqlite3.Error: it is no database, or broken.
    """
    os.close(os.open(source, os.O_RDONLY))  # sqlite would not tell why
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as found,
            closing(sqlite3.connect(target)) as made,
        ):
            found.backup(made)
            made.execute("PRAGMA journal_mode=DELETE").close()  # one file, which holds all
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target.stat().st_size
