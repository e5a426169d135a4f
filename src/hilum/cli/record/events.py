"""What is a record made of? One JSON object a line: a head, and then what was said, in order."""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import hilum

FORMAT: Final = 1
Say = Callable[..., None]
"""Writes one event: a kind, who said it, and what it holds."""


class BadRecord(Exception):
    """A file that is no record; the text says why."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was said.

    Attributes:
        at: seconds since the record began.
        connection: its number, from 1.
        side: "requestor" (the client) or "acceptor" (the server).
    """

    at: float
    connection: int
    side: str
    kind: str
    held: Mapping[str, Any]


class Record:
    """A file that is being written; what is in it stays if we are killed.

    Raises:
        FileExistsError: it is there already.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
        self._began = time.monotonic()
        self.count = 0
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._write({"hilum_capture": FORMAT, "version": hilum.__version__, "made": made})

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()

    def of(self, connection: int) -> Say:
        """What writes the events of a connection."""

        def say(kind: str, side: str, **held: Any) -> None:  # noqa: ANN401 - what JSON holds
            self.count += 1
            at = round(time.monotonic() - self._began, 6)
            said = {name: value for name, value in held.items() if value is not None}
            self._write({"at": at, "connection": connection, "from": side, "kind": kind, **said})

        return say

    def close(self) -> None:
        """No more is said."""
        self._file.close()


def read(path: Path) -> list[Event]:
    """The events of a record.

    Raises:
        BadRecord: it is none, or of another version.
        OSError: it cannot be read.
    """
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if not lines or lines[0].get("hilum_capture") != FORMAT:
            raise BadRecord(f"{path}: no capture, or of another version")
        return [_event(line) for line in lines[1:]]
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise BadRecord(f"{path}: no capture: {type(error).__name__}") from error


def _event(line: dict[str, Any]) -> Event:
    at, connection = float(line.pop("at")), int(line.pop("connection"))
    return Event(at, connection, str(line.pop("from")), str(line.pop("kind")), line)
