"""How does `hilum reload` speak with the service that runs? By files in a folder of theirs.

That works everywhere, needs no port and no secret: who may write into the data folder may ask. A
request is a file `NAME.ask`, which says for whom; its answer is `NAME.json`.
"""

import asyncio
import json
import logging
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from hilum.model.errors import BackendUnavailable
from hilum.model.principal import NOBODY, Principal, Proof
from hilum.state.lock import Lock

LOOK: Final = 0.25  # seconds between two looks for requests, and for the answer
_ASKED, _ANSWERED, _WRITTEN = ".ask", ".json", ".asking"

_log = logging.getLogger(__name__)

Answer = dict[str, Any]


class NobodyThere(Exception):
    """No service answers; the text says why."""


async def answer(folder: Path, do: Callable[[Principal], Awaitable[Answer]]) -> None:
    """Answer each request by what `do` returns. Never ends.

    Args:
        folder: for nobody else; it is made.
        do: what is asked for, for whom.
    """
    lock: Lock | None = None
    try:
        while (lock := _ours(folder)) is None:  # noqa: ASYNC110 - somebody just looks who holds it
            await asyncio.sleep(LOOK)
        while True:
            await asyncio.sleep(LOOK)
            for asked, who in _taken(folder):
                said = await do(who)
                try:
                    _put(asked, said)
                except OSError as error:
                    _log.warning("a request cannot be answered: %s", error.strerror)
    except OSError as error:
        _log.warning("%s cannot be used: hilum reload finds nobody: %s", folder, error.strerror)
    finally:
        if lock is not None:
            lock.release()


def _ours(folder: Path) -> Lock | None:
    """The folder, empty and for ourselves; None: somebody else has it.

    Raises:
        OSError: it cannot be used.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        lock = Lock(folder, "the folder of requests")
    except BackendUnavailable:
        return None
    for left in folder.iterdir():
        if left.suffix in {_ASKED, _ANSWERED, _WRITTEN}:
            left.unlink(missing_ok=True)
    return lock


def _taken(folder: Path) -> list[tuple[Path, Principal]]:
    """The requests that are there, and for whom they are; they are there no more."""
    found = [folder / each for each in os.listdir(folder) if each.endswith(_ASKED)]  # noqa: PTH208 - four times a second, so without objects
    asked = []
    for each in found:
        who = _who(each)
        with suppress(PermissionError):  # on Windows, as long as who asks has it open
            each.unlink(missing_ok=True)
            asked.append((each, who))
    return asked


def _who(asked: Path) -> Principal:
    """For whom a request is, by what it says: its author could do all of it himself."""
    try:
        said = json.loads(asked.read_text())
        name, address = str(said["name"]), str(said["address"])
        return Principal(name, Proof.ADMITTED if name else Proof.NOTHING, address=address)
    except (OSError, ValueError, KeyError, TypeError):
        return NOBODY


def _put(asked: Path, said: Answer) -> None:
    """The answer, all at once."""
    made = asked.with_suffix(".made")
    made.write_text(json.dumps(said), encoding="utf-8")
    made.replace(asked.with_suffix(_ANSWERED))


def ask(folder: Path, who: Principal = NOBODY) -> Answer:
    """What the service answers; blocks until then.

    Args:
        folder: where it is asked.
        who: for whom; stands in the audit.

    Raises:
        NobodyThere: none runs, or it ended before it answered.
    """
    if not _is_held(folder):
        raise NobodyThere("no broker runs with this data folder")
    asked = folder / f"{uuid.uuid4().hex}{_ASKED}"
    answered = asked.with_suffix(_ANSWERED)
    try:
        written = asked.with_suffix(_WRITTEN)
        written.touch(mode=0o600)
        written.write_text(json.dumps({"name": who.name, "address": who.address}))
        written.replace(asked)
        while not answered.exists():
            time.sleep(LOOK / 5)
            if not _is_held(folder):
                raise NobodyThere("the broker ended before it answered")
        return dict(json.loads(answered.read_text(encoding="utf-8")))
    except OSError as error:
        raise NobodyThere(f"{folder} cannot be used: {error.strerror}") from error
    finally:
        asked.unlink(missing_ok=True)
        answered.unlink(missing_ok=True)


def _is_held(folder: Path) -> bool:
    if not (folder / "lock").exists():
        return False
    try:
        Lock(folder, "the folder of requests").release()
    except BackendUnavailable:
        return True
    except OSError as error:
        raise NobodyThere(f"{folder} cannot be used: {error.strerror}") from error
    return False
