"""What is done once for an archive, however many processes it has: migrate, and sweep."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from hilum.backends.archive.files import ALONE, Files, numbers_of
from hilum.backends.archive.index import PUBLISHED, SWEPT, UNSWEPT, Index
from hilum.backends.archive.lock import Lock
from hilum.backends.archive.part import Part
from hilum.backends.archive.recover import sweep
from hilum.backends.archive.removal import finish
from hilum.backends.archive.turn import Turn
from hilum.backends.archive.upgrade import upgrade
from hilum.config.mounts import ArchiveMount
from hilum.model.errors import BackendFault, BackendUnavailable
from hilum.state.database import open_database

log = logging.getLogger(__name__)

INDEX: Final = "index.db"
"""The file of the index, in the archive's folder."""


def swept(settings: ArchiveMount, folder: Path) -> Lock:
    """Make an archive ready to be used, for as long as the lock is held; blocks.

    Raises:
        BackendUnavailable: another process has the folder, or it cannot be used.
        BackendFault: the index is from a newer version, or broken.
    """
    with usable():
        return _swept(settings, folder)


def _swept(settings: ArchiveMount, folder: Path) -> Lock:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = Lock(folder)
    try:
        with ExitStack() as opened:
            engine = open_database(folder / INDEX, writes=True)
            opened.callback(engine.dispose)
            upgrade(engine)
            index = Index(engine, tells=settings.is_followed)
            opened.callback(index.close)
            files = files_of(settings, folder, index, ALONE)
            files.prepare()
            finish(index, files)
            sweep(index, files)
            _publish(settings, index)
            if index.recall(UNSWEPT):
                index.begin()
                index.forget(UNSWEPT)
                index.commit()
    except BaseException:
        lock.release()
        raise
    return lock


def _publish(settings: ArchiveMount, index: Index) -> None:
    """Have every study told, where a FHIR server shall have them all and is another one by now.

    Changes are not remembered while there is none: what is there then is told as a whole.
    """
    server = "" if settings.publish is None else settings.publish.url
    if index.recall(PUBLISHED) != server:
        index.begin()
        if server:
            index.tell_all()
        index.remember(PUBLISHED, server)
        index.commit()


@contextmanager
def usable() -> Iterator[None]:
    """What goes wrong with a folder or its index, in our words.

    Raises:
        BackendUnavailable: the folder cannot be used.
        BackendFault: the index cannot.
    """
    try:
        yield
    except OSError as error:
        text = f"the archive's folder cannot be used: {error.strerror or error}"
        raise BackendUnavailable(text) from error
    except (sqlite3.Error, sa.exc.SQLAlchemyError) as error:
        log.exception("the archive's index cannot be used")
        raise BackendFault("the archive's index cannot be used") from error


def files_of(settings: ArchiveMount, folder: Path, index: Index, part: Part) -> Files:
    """The files of an archive, whose numbers go on behind those that were taken."""
    newest = max(index.newest(), numbers_of(index.recall(SWEPT) or "1970/01/01")[0])
    return Files(folder, durable=settings.durability == "full", after=newest, part=part)


def left_behind(folder: Path) -> None:
    """Remember that a process died while others went on; its files are swept at the next start.

    Raises:
        BackendError: the index cannot be written.
    """
    with usable(), ExitStack() as opened:
        engine = open_database(folder / INDEX, writes=True)
        opened.callback(engine.dispose)
        index = Index(engine)
        opened.callback(index.close)
        turn = Turn(folder)
        opened.callback(turn.close)
        with turn.taken():  # the others go on writing
            index.begin()
            index.remember(UNSWEPT, "1")
            index.commit()
