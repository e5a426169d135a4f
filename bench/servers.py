"""Servers to measure, and clients to measure them with."""

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DCMTK = Path("/usr/bin")  # a venv with pynetdicom has slow programs of the same names
ORTHANC = next((p for p in ("/usr/sbin/Orthanc", "/usr/bin/Orthanc") if Path(p).exists()), "")
START = 30.0  # seconds a server gets to listen


def free_port() -> int:
    """A TCP port that nobody uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Return once something listens there."""
    end = time.monotonic() + START
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens at {port} after {START} s")


@contextmanager
def server(command: list[str], port: int, **environment: str) -> Iterator[int]:
    """A server process that listens at `port`; gives its process id."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **environment}
        )
        try:
            wait_for(port)
            yield process.pid
        finally:
            process.terminate()
            process.wait(30)


def timed(command: list[str], *, nodelay: bool = True) -> float:
    """Seconds that a client takes; it must succeed."""
    environment = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY"}
    if nodelay:
        environment["TCP_NODELAY"] = "1"
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    took = time.perf_counter() - began
    if done.returncode != 0:
        said = done.stderr.decode()[-500:] or f"exit {done.returncode}"
        raise SystemExit(f"{' '.join(command)} failed: {said}")
    return took


def peak(pid: int) -> float:
    """The most resident memory that the process ever had, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0
