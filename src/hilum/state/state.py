"""The state of the service that is no archive's: opened, and what is in it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy import event

from hilum.model.errors import BackendFault, BackendUnavailable
from hilum.state.database import open_database
from hilum.state.lock import Lock
from hilum.state.patients import Patients
from hilum.state.queue import Queue
from hilum.state.schema import HEAD, METADATA
from hilum.state.sends import Sends
from hilum.state.sessions import Sessions
from hilum.state.subscriptions import Subscriptions
from hilum.state.tokens import Tokens
from hilum.state.upgrade import upgrade

_SCRIPTS = Path(__file__).with_name("migrations")
FILE = "state.db"


@dataclass(frozen=True, slots=True)
class State:
    """What is kept beyond the end of the process.

    Attributes:
        sends: Sends that run in the background (`core.transactions.SendRecords`).
        tokens: those that we have issued (`net.tokens.Issued`).
        sessions: of browsers that are logged in (`core.login.KeepsSessions`).
        patients: the ids of FHIR's Patients (`core.fhir.patients.PatientIds`).
        queue: what is to be done at far sides (`core.queue.Queue`).
        subscriptions: who wants to be told of changes
            (`core.fhir.subscriptions.KeepsSubscriptions`).
    """

    sends: Sends
    tokens: Tokens
    sessions: Sessions
    patients: Patients
    queue: Queue
    subscriptions: Subscriptions


@asynccontextmanager
async def open_state(folder: Path, *, shared: bool = False) -> AsyncIterator[State]:
    """The state kept in `folder`, which is made; for one process at a time.

    Args:
        folder: on a local disk.
        shared: whether another process has called `prepare`, and holds the folder for us.

    Raises:
        BackendUnavailable: another process has the folder, or it cannot be used.
        BackendFault: the database is from a newer version, or broken.
    """
    # One thread: so writes keep their order, and leaving waits for the last of them, which anyio's
    # threads do not where a task is cancelled by asyncio.
    thread = ThreadPoolExecutor(1, "state")
    opened = ExitStack()
    try:
        engine = await asyncio.get_running_loop().run_in_executor(
            thread, _opened if shared else _open, folder, opened
        )
        reading = open_database(folder / FILE, writes=False)
        opened.callback(reading.dispose)
        yield State(
            Sends(engine, thread),
            Tokens(engine, reading, thread),
            Sessions(engine, reading, thread),
            Patients(engine, reading, thread),
            Queue(engine, reading, thread),
            Subscriptions(engine, reading, thread),
        )
    finally:
        closed = thread.submit(opened.close)
        await anyio.to_thread.run_sync(thread.shutdown)
        closed.result()


@asynccontextmanager
async def open_beside(folder: Path) -> AsyncIterator[State]:
    """The state kept in `folder`, also while a broker has it; for a short look or change.

    Nobody is kept out by it for longer than its tables take to make.

    Raises:
        BackendUnavailable, BackendFault: as `open_state`.
    """
    try:
        lock = await anyio.to_thread.run_sync(prepare, folder)
        lock.release()
    except BackendUnavailable:
        if not (folder / FILE).is_file():
            raise
        # Else a broker has it, and has made the tables.
    async with open_state(folder, shared=True) as state:
        yield state


def prepare(folder: Path) -> Lock:
    """Make the state ready for several processes, which may use it while the lock is held.

    Raises:
        BackendUnavailable, BackendFault: as `open_state`.
    """
    lock = _locked(folder)
    try:
        with ExitStack() as opened:
            _upgraded(folder, opened)
    except BaseException:
        lock.release()
        raise
    return lock


def _open(folder: Path, opened: ExitStack) -> sa.Engine:
    opened.callback(_locked(folder).release)
    return _upgraded(folder, opened)


def _locked(folder: Path) -> Lock:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Lock(folder, "the state's folder")
    except OSError as error:
        text = f"the state's folder cannot be used: {error.strerror or error}"
        raise BackendUnavailable(text) from error


def _upgraded(folder: Path, opened: ExitStack) -> sa.Engine:
    engine = _opened(folder, opened)
    try:
        upgrade(engine, METADATA, _SCRIPTS, HEAD, "the state's database")
    except (sqlite3.Error, sa.exc.SQLAlchemyError) as error:
        raise BackendFault("the state's database cannot be used") from error
    return engine


def _opened(folder: Path, opened: ExitStack) -> sa.Engine:
    """The database as it is, where the folder is held."""
    engine = open_database(folder / FILE, writes=True)
    event.listen(engine, "connect", _durable)
    opened.callback(engine.dispose)
    return engine


def _durable(connection: sqlite3.Connection, _record: object) -> None:
    """What is answered for is on the disk when a commit returns."""
    connection.execute("PRAGMA synchronous=FULL").close()
