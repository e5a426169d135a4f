"""What does a worker get from the supervisor? And what it says."""

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Final

from hilum.config.schema import Settings

STOP: Final = b"stop\n"
"""Let running work end, and end."""
NOW: Final = b"now\n"
"""End at once."""
CHANGE: Final = b"change\n"
"""Make another configuration ready; it follows."""
COMMIT: Final = b"commit\n"
"""Apply it."""
DROP: Final = b"drop\n"
"""Leave everything as it is."""
_LENGTH: Final = 8  # bytes before what is to be started


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One worker, as the supervisor describes it; files are inherited descriptors.

    The settings come this way, so that all workers have the same, whenever they begin, and no
    secret is read twice.

    Attributes:
        number: from 0.
        workers: how many there are.
        doors: listening sockets by name.
        box: where its letters come.
        boxes: where those of all workers are put.
        crowd: memory that all workers share.
        homes: of mounts, that they have already.
        silence: seconds after which a worker that says nothing is taken for dead; None: never.
    """

    settings: Settings
    number: int
    workers: int
    doors: Mapping[str, int]
    box: int
    boxes: tuple[int, ...]
    crowd: int
    homes: Mapping[str, int] = field(default_factory=dict)
    silence: float | None = None

    def encode(self) -> bytes:
        """For the standard input of the worker."""
        return _encode(self)


def change(settings: Settings) -> bytes:
    """For the standard input of a worker: another configuration."""
    return CHANGE + _encode(settings)


def changed(stream: IO[bytes]) -> Settings:
    """What `change` gave, behind its first line.

    Raises:
        EOFError: there is less.
    """
    settings: Settings = _read(stream)
    return settings


def _encode(value: object) -> bytes:
    data = pickle.dumps(value)
    return len(data).to_bytes(_LENGTH) + data


def _read(stream: IO[bytes]) -> Any:  # noqa: ANN401 - what was encoded
    length = int.from_bytes(_exactly(stream, _LENGTH))
    return pickle.loads(_exactly(stream, length))  # noqa: S301 - our own process wrote it


def read(stream: IO[bytes]) -> Start:
    """What `Start.encode` gave; from nobody but who started this process.

    Raises:
        EOFError: there is less.
    """
    start: Start = _read(stream)
    return start


def _exactly(stream: IO[bytes], length: int) -> bytes:
    """So many bytes, of a stream that has no buffer."""
    data = b""
    while len(data) < length:
        piece = stream.read(length - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def ready(doors: Mapping[str, tuple[str, int]]) -> bytes:
    """What a worker says when it serves."""
    return json.dumps({"ready": doors}).encode() + b"\n"


def failed(reason: str) -> bytes:
    """What a worker says that cannot start."""
    return json.dumps({"failed": reason}).encode() + b"\n"


def prepared(problems: Sequence[str]) -> bytes:
    """What a worker says when another configuration is ready, or why it is not."""
    return json.dumps({"prepared": [*problems]}).encode() + b"\n"


def committed() -> bytes:
    """What a worker says when it has applied it."""
    return b'{"committed": true}\n'


def alive() -> bytes:
    """What a worker says from time to time."""
    return b"{}\n"


def said(line: bytes) -> dict[str, Any]:
    """What a worker said; empty where it is none of it."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
