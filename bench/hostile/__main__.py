"""Runs it: the server, the good client for all the time, the hostile ones for most of it."""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import jwt

from bench.hostile.foes import CLIENTS
from bench.hostile.place import AET, FOE, HOST, Place
from bench.processes import free_port, resident, say, server

ROOT = Path(__file__).parents[2]
SECRET = "what the tokens of this run are signed with"  # noqa: S105 - of nothing else
QUIET = 0.3  # of each round, without hostile clients
SLOWER = 2.0  # times as long as usual that the good client may wait
GROWTH = 64.0  # MB of memory that may stay: caches, and the index of what was stored
SETTLE = 100.0  # seconds for what hostile clients left to run into its limits
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

    @property
    def errors(self) -> list[str]:
        """All that went wrong."""
        return [f"{name}: {error}" for name, _, _, error in self.lines if error]


@dataclass(frozen=True, slots=True)
class Left:
    """What the server holds: MB of memory, descriptors, threads, processes, files beside data."""

    memory: float
    descriptors: int
    threads: int
    files: int

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


def measured(minutes: float, names: Sequence[str], folder: Path) -> bool:
    """Do it all, and tell; whether it passed."""
    place, spans = _place(), _Spans()
    (folder / "secret").write_text(SECRET)
    config = folder / "hilum.toml"
    config.write_text(
        _CONFIG.format(dimse=place.dimse, http=place.http, aet=AET, host=HOST, foe=FOE)
    )
    command = [sys.executable, "-m", "hilum", "run", "--config", str(config)]
    with server(command, (place.dimse, place.http)) as pid:
        with _listening(place) as heard:
            rounds = max(1, round(minutes))
            seconds = minutes * 60 / rounds
            _foes(place, seconds * (1 - QUIET), names)  # so that what is made once is made
            _settled(pid, folder, None)
            before = Left.at(pid, folder)
            say(f"before: {before}")
            for number in range(1, rounds + 1):
                with spans.quiet():
                    time.sleep(seconds * QUIET)
                with spans.hostile():
                    came = _foes(place, seconds * (1 - QUIET), names)
                say(f"round {number} of {rounds}: {Left.at(pid, folder)}; {came}")
            heard_all = heard
        after = _settled(pid, folder, before)
    return told(heard_all, spans, before, after)


@dataclass(slots=True)
class _Spans:
    """When was it quiet, and when not?"""

    without: list[tuple[float, float]] = field(default_factory=list)
    beside: list[tuple[float, float]] = field(default_factory=list)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.without.append((began, time.monotonic()))

    @contextmanager
    def hostile(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.beside.append((began, time.monotonic()))


def _place() -> Place:
    claims = {
        "sub": "bench", "iss": "bench", "aud": "hilum", "exp": int(time.time()) + 86400,
        "scope": "hilum:query hilum:retrieve hilum:store",
    }  # fmt: skip
    return Place(free_port(), free_port(), jwt.encode(claims, SECRET, "HS256"))


@contextmanager
def _listening(place: Place) -> Iterator[Heard]:
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
        process.wait()
        thread.join()
        if code is not None:
            heard.lines.append(("all", 0.0, 0.0, f"the good client ended: {code}"))


def _foes(place: Place, seconds: float, names: Sequence[str]) -> str:
    """Let hostile clients come for so long; how often they came."""
    # They come from elsewhere: the processors here are the server's and the good client's.
    command = [sys.executable, "-m", "bench.hostile.foes", place.told(), str(seconds), *names]
    done = subprocess.run(
        ["nice", "-n", "19", *command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    came: dict[str, int] = json.loads(done.stdout)
    return f"{sum(came.values())} hostile clients of {len(came)} kinds"


def _settled(pid: int, folder: Path, before: Left | None) -> Left:
    """What is left once nothing gets less, or as little as before."""
    end = time.monotonic() + SETTLE
    least, since = Left.at(pid, folder), time.monotonic()
    while time.monotonic() < end:
        time.sleep(0.5)
        now = Left.at(pid, folder)
        if before is not None and _as_before(before, now):
            return now
        if now.descriptors < least.descriptors:
            least, since = now, time.monotonic()
        if before is None and time.monotonic() - since > 10:
            return now
    return Left.at(pid, folder)


def _as_before(before: Left, now: Left) -> bool:
    return (
        now.descriptors <= before.descriptors + 2
        and now.threads <= before.threads + 2
        and now.files <= before.files + 2
        and now.memory <= before.memory + GROWTH
    )


def told(heard: Heard, spans: _Spans, before: Left, after: Left) -> bool:
    """Print what came out; whether it passed."""
    print(
        "| good client | median ms, alone | beside | times | p95 ms, alone | beside | times | n |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    fine = True
    for kind in dict.fromkeys(line[0] for line in heard.lines):
        alone, beside = heard.during(spans.without, kind), heard.during(spans.beside, kind)
        if len(alone) < 2 or len(beside) < 2:
            continue
        medians = [1000 * statistics.median(each) for each in (alone, beside)]
        tails = [1000 * statistics.quantiles(each, n=20)[18] for each in (alone, beside)]
        times = medians[1] / medians[0]
        fine = fine and times <= SLOWER
        print(
            f"| {kind} | {medians[0]:.1f} | {medians[1]:.1f} | {times:.2f} | "
            f"{tails[0]:.1f} | {tails[1]:.1f} | {tails[1] / tails[0]:.2f} | "
            f"{len(alone)} + {len(beside)} |"
        )
    print(f"\nbefore: {before}\nafter:  {after}")
    for error in heard.errors[:20]:
        print(f"error: {error}")
    clean = _as_before(before, after)
    print(
        f"errors of the good client: {len(heard.errors)}; "
        f"at most {SLOWER:g} times as long: {_yes(fine)}; as it was before: {_yes(clean)}"
    )
    return fine and clean and not heard.errors


def _yes(fine: bool) -> str:  # noqa: FBT001 - it says it
    return "yes" if fine else "NO"


def main() -> int:
    """0 where it passed."""
    parser = argparse.ArgumentParser(prog="python -m bench.hostile", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", choices=CLIENTS)
    parser.add_argument("--list", action="store_true", help="tell the kinds of hostile clients")
    given = parser.parse_args()
    if given.list:
        print("\n".join(CLIENTS))
        return 0
    with tempfile.TemporaryDirectory(prefix="hilum-hostile-") as work:
        return 0 if measured(given.minutes, given.only, Path(work)) else 1


if __name__ == "__main__":
    sys.exit(main())
