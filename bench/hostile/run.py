"""What runs: the server, the good client beside it, and hostile ones for as long as one wants."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import jwt

from bench.hostile.place import AET, FOE, HOST, Place
from bench.processes import START, free_port, resident, server

ROOT = Path(__file__).parents[2]
SECRET = "what the tokens of this run are signed with"  # noqa: S105 - of nothing else
_CONFIG = """[server]
data = "data"
[dimse]
port = {dimse}
acse_timeout = "3s"
message_timeout = "3s"
idle_timeout = "5s"
[http]
port = {http}
request_timeout = "3s"
[auth]
enabled = true
[auth.token]
secret = {{ file = "secret" }}
algorithms = ["HS256"]
issuer = "bench"
audience = ["hilum"]
[mounts.{aet}]
default = true
[peers.GOOD]
aet = "GOOD"
host = "{host}"
port = 1
auth = "ae"
[peers.EVIL]
aet = "EVIL"
host = "{foe}"
port = 1
auth = "ae"
[logging]
level = "error"
"""


@dataclass(slots=True)
class Heard:
    """What the good client tells: kind, when, seconds, error."""

    lines: list[tuple[str, float, float, str]] = field(default_factory=list)

    def during(self, spans: Sequence[tuple[float, float]], kind: str) -> list[float]:
        """How long that kind took, begun within one of the spans of time."""
        return [
            seconds
            for name, at, seconds, _ in self.lines
            if name == kind and any(begin <= at < end for begin, end in spans)
        ]

    def wait(self) -> None:
        """Until the good client has stored what it asks for, and been answered."""
        end = time.monotonic() + START
        while not self.lines and time.monotonic() < end:
            time.sleep(0.1)

    @property
    def errors(self) -> list[str]:
        """All that went wrong."""
        return [
            f"{name}, after {seconds:.1f} s: {error}"
            for name, _, seconds, error in self.lines
            if error
        ]


@dataclass(frozen=True, slots=True)
class Left:
    """What the server holds: MB of memory, descriptors, threads, processes, files beside data."""

    memory: float
    descriptors: int
    threads: int
    files: int

    def __str__(self) -> str:
        return (
            f"{self.memory:.0f} MB, {self.descriptors} descriptors, {self.threads} threads, "
            f"{self.files} files"
        )

    @classmethod
    def at(cls, pid: int, folder: Path) -> "Left":
        """Now."""
        process = Path(f"/proc/{pid}")
        kept = folder / "data" / "archive" / AET / "files"
        files = [each for each in folder.rglob("*") if each.is_file() and kept not in each.parents]
        return cls(
            resident(pid) or 0.0,
            len(list((process / "fd").iterdir())),
            len(list((process / "task").iterdir())),
            len(files),
        )


@contextmanager
def started(folder: Path) -> Iterator[tuple[Place, int]]:
    """A server with a folder of its own; where it is, and its process id."""
    place = _place()
    (folder / "secret").write_text(SECRET)
    config = folder / "hilum.toml"
    config.write_text(
        _CONFIG.format(dimse=place.dimse, http=place.http, aet=AET, host=HOST, foe=FOE)
    )
    command = [sys.executable, "-m", "hilum", "run", "--config", str(config)]
    with server(command, (place.dimse, place.http)) as pid:
        yield place, pid


def _place() -> Place:
    claims = {
        "sub": "bench", "iss": "bench", "aud": "hilum", "exp": int(time.time()) + 86400,
        "scope": "hilum:query hilum:retrieve hilum:store hilum:send",
    }  # fmt: skip
    return Place(free_port(), free_port(), jwt.encode(claims, SECRET, "HS256"))


@contextmanager
def listening(place: Place) -> Iterator[Heard]:
    """The good client, and what it tells."""
    heard = Heard()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.hostile.good", place.told()],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def listen() -> None:
        for line in process.stdout or ():
            kind, at, seconds, error = json.loads(line)
            heard.lines.append((kind, at, seconds, error))

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield heard
    finally:
        code = process.poll()
        process.terminate()
        thread.join()
        process.communicate()
        if code is not None:
            heard.lines.append(("all", 0.0, 0.0, f"the good client ended: {code}"))


def hostile(place: Place, seconds: float, names: Sequence[str]) -> str:
    """Let hostile clients come for so long; how often they came."""
    # They come from elsewhere: the processors here are the server's and the good client's.
    command = [sys.executable, "-m", "bench.hostile.foes", place.told(), str(seconds), *names]
    done = subprocess.run(
        ["nice", "-n", "19", *command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    came: dict[str, int] = json.loads(done.stdout)
    return f"{sum(came.values())} hostile clients of {len(came)} kinds"
