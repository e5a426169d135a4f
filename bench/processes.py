"""What do processes cost? Servers that are started, their CPU seconds and their memory."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

START = 120.0  # seconds a server gets to listen
STOP = 1.0  # seconds it gets to end: nobody needs what it keeps
_BEGAN = time.monotonic()
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class CannotStart(Exception):
    """A server does not come up; the text has what it said."""


def say(text: str) -> None:
    """A line of progress, with the seconds since the beginning."""
    print(f"{time.monotonic() - _BEGAN:6.1f} s  {text}", file=sys.stderr, flush=True)


def free_port() -> int:
    """A TCP port that nobody uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(*, nodelay: bool) -> dict[str, str]:
    """The environment of a peer: DCMTK (and Orthanc, made with it) sends without Nagle's delay."""
    found = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY"}
    return found | {"TCP_NODELAY": "1"} if nodelay else found


@contextmanager
def server(
    command: Sequence[str], ports: Sequence[int], *, nodelay: bool = False, cwd: Path | None = None
) -> Iterator[int]:
    """A server process that listens at all `ports`; gives its process id.

    Raises:
        CannotStart: it ended, or does not listen after `START` seconds.
    """
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment(nodelay=nodelay), cwd=cwd
        )
        try:
            for port in ports:
                _wait_for(port, process, command, log)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def run_once(command: Sequence[str]) -> None:
    """A program that is run to its end.

    Raises:
        CannotStart: it does not end well.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotStart(f"{Path(command[0]).name}: {done.stdout[-500:]}{done.stderr[-500:]}")


def _wait_for(
    port: int, process: subprocess.Popen[bytes], command: Sequence[str], log: IO[bytes]
) -> None:
    end = time.monotonic() + START
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    log.seek(0)
    said = log.read()[-2000:].decode("utf-8", "replace")
    raise CannotStart(f"{Path(command[0]).name} does not listen at {port}: {said}")


T = TypeVar("T")


@contextmanager
def together(managers: Sequence[AbstractContextManager[T]]) -> Iterator[list[T]]:
    """Enter all at once, and leave all at once.

    Raises:
        CannotStart: what one of them raised.
    """
    with ThreadPoolExecutor(max(len(managers), 1)) as pool:
        entering = [pool.submit(each.__enter__) for each in managers]
        try:
            yield [each.result() for each in entering]
        finally:
            entered = zip(managers, entering, strict=True)
            open_ = [each for each, future in entered if future.exception() is None]
            list(pool.map(lambda each: each.__exit__(None, None, None), open_))


# What /proc tells; where there is none (not Linux), nothing is known


def _family(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for each in found:
        with suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_seconds(pid: int) -> float | None:
    """User and system time of the process, of those below it, and of those that ended there.

    Those that ended are told in ticks, of 10 ms mostly; the others to the nanosecond, by the clock
    that clock_getcpuclockid(3) would give.
    """
    total = None
    for each in _family(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ended = sum(int(ticks) for ticks in fields[13:15]) / _TICKS
            total = (total or 0.0) + ended + time.clock_gettime(~each << 3 | 2)
    return total


def reset_peak(pid: int) -> None:
    """Begin to count `peak` anew."""
    for each in _family(pid):
        with suppress(OSError):
            Path(f"/proc/{each}/clear_refs").write_text("5")


def peak(pid: int) -> float | None:
    """The most resident memory since `reset_peak`, in MB, of the process and those below it."""
    return _memory(pid, "VmHWM")


def resident(pid: int) -> float | None:
    """The resident memory now, in MB."""
    return _memory(pid, "VmRSS")


def _memory(pid: int, field: str) -> float | None:
    total = None
    for each in _family(pid):
        with suppress(OSError):
            lines = Path(f"/proc/{each}/status").read_text().splitlines()
            values: Mapping[str, str] = dict(line.split(":", 1) for line in lines if ":" in line)
            if field in values:
                total = (total or 0.0) + int(values[field].split()[0]) / 1024
    return total


def children_seconds() -> float:
    """User and system time of all clients that were run and ended."""
    times = os.times()
    return times.children_user + times.children_system
