"""A broker as a process of its own, as a user would start it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tests import warm
from tests.peers import free_port

Process: TypeAlias = "subprocess.Popen[bytes] | warm.Forked"

READY = "Hilum is ready"
PATIENCE = 60  # seconds until it is ready, or gone


@dataclass
class Broker:
    """A running broker.

    Attributes:
        config: its configuration.
        said: what it printed until it was ready.
        process: the process.
    """

    config: Path
    said: list[str]
    process: Process

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop, and give its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at now."""
    return [free_port() for _ in range(count)]


def configured(folder: Path, **values: object) -> Path:
    """A configuration with ports of its own; `server__aet="X"` sets server.aet."""
    dimse, http, viewer = free_ports(3)
    tables: dict[str, dict[str, object]] = {
        "server": {"aet": "HILUM", "data": str(folder / "data")},
        "dimse": {"port": dimse},
        "http": {"port": http},
        "mounts.ARCHIVE": {"default": True},
        "peers.VIEWER": {"aet": "VIEWER", "host": "127.0.0.1", "port": viewer},
    }
    for name, value in values.items():
        section, _, key = name.partition("__")
        tables.setdefault(section.replace("_", "."), {})[key] = value
    lines = []
    for section, table in tables.items():
        lines.append(f"[{section}]")
        for key, value in table.items():
            text = str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')
            lines.append(f"{key} = {text}")
    path = folder / "config.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def hilum(*arguments: str | Path) -> list[str]:
    """The command line of `hilum`."""
    return [sys.executable, "-m", "hilum", *map(str, arguments)]


def ran(*arguments: str | Path, timeout: float = 120.0) -> "subprocess.CompletedProcess[str]":
    """`hilum …` from begin to end."""
    if warm.POSSIBLE:
        return warm.run(arguments, env=environment(), timeout=timeout)
    return subprocess.run(
        hilum(*arguments),
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(),
        check=False,
    )


def environment(**more: str) -> dict[str, str]:
    """Ours, without settings of a broker."""
    return {key: value for key, value in os.environ.items() if not key.startswith("HILUM_")} | more


@contextmanager
def running(
    config: Path, *arguments: str, cold: bool = False, env: Mapping[str, str] | None = None
) -> Iterator[Broker]:
    """A broker with that configuration, until the block ends; `cold`: started from nothing."""
    said, log = config.with_suffix(".out"), config.with_suffix(".log")
    start = subprocess.Popen if cold or not warm.POSSIBLE else warm.start
    with said.open("wb") as out, log.open("wb") as errors:
        process = start(
            hilum("run", "--config", config, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            cwd=Path.cwd(),
            env=environment(**(env or {})),
        )
    try:
        yield Broker(config, _until_ready(process, said, log), process)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _until_ready(process: Process, said: Path, log: Path) -> list[str]:
    until = time.monotonic() + PATIENCE
    while READY not in (lines := said.read_text().splitlines()):
        assert process.poll() is None, f"it did not start: {log.read_text()}"
        assert time.monotonic() < until, f"it was not ready in time: {log.read_text()}"
        time.sleep(0.02)
    return lines
