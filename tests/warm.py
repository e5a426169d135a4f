"""What saves a test the second that Python needs to import Hilum? A fork of one that has it.

A process is started once for all tests of a worker; it imports what `hilum run` imports, and then
forks for each `hilum` that a test asks for. What the fork does is what `python -m hilum` does from
there on: an environment, a folder, standard streams and signals of its own. tests/cli start
Hilum from nothing, as do those here who measure it.
"""

import atexit
import functools
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO

POSSIBLE = hasattr(os, "fork") and hasattr(os, "pidfd_open") and hasattr(socket, "send_fds")
ROOT = Path(__file__).parents[1]
_MOST = 1024 * 1024  # bytes of a request
_NEEDED = (
    "alembic.command",
    "hilum.cli.main",
    "hilum.cli.serving",
    "hilum.frontends.dicomweb.app",
    "hilum.frontends.dicomweb.capabilities",
    "hilum.frontends.dicomweb.thumbnail",
    "hilum.frontends.dicomweb.wado_uri",
    "hilum.frontends.dimse.server",
    "hilum.frontends.fhir.search",
    "hilum.frontends.fhir.service",
    "hilum.net.http",
    "hilum.workers.supervisor",
)


class Forked:
    """A `hilum` that was forked; to be used like a `subprocess.Popen`."""

    def __init__(self, house: "House", args: Sequence[str], pid: int) -> None:
        self._house = house
        self._ended = os.pidfd_open(pid)
        self.args = args
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, if it has ended."""
        if self.returncode is None:
            self.returncode = self._house.asked({"poll": self.pid})
            if self.returncode is not None:
                os.close(self._ended)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not.
        """
        if self.poll() is None:
            select.select([self._ended], [], [], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """A signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class House:
    """The process that forks, seen from the tests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm"], stdin=theirs, cwd=ROOT, env=environment
            )
        atexit.register(self.close)

    def started(
        self,
        args: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str],
        stdout: int,
        stderr: int,
    ) -> Forked:
        """`hilum …`."""
        wish = {"args": [*args], "cwd": str(cwd or Path.cwd()), "env": {**env}}
        pid = self.asked(wish, [stdout, stderr])
        assert pid is not None, "no process"
        return Forked(self, args, pid)

    def asked(self, wish: Mapping[str, object], files: Sequence[int] = ()) -> int | None:
        """A number: of a process, or its exit code."""
        with self._lock:
            socket.send_fds(self._line, [json.dumps(wish).encode()], files)
            answer = json.loads(self._line.recv(_MOST))
        assert answer is None or isinstance(answer, int)
        return answer

    def close(self) -> None:
        """End it."""
        self._line.close()
        self._process.wait()


@functools.cache
def house() -> House:
    """The one of this process, started when it is first needed."""
    return House()


def start(  # noqa: PLR0913 - those of Popen
    command: Sequence[str],
    *,
    stdout: IO[bytes],
    stderr: IO[bytes],
    stdin: int,  # noqa: ARG001 - there is none
    cwd: Path,
    env: Mapping[str, str],
) -> Forked:
    """What `python -m hilum …` starts, from where all is imported already."""
    assert list(command[1:3]) == ["-m", "hilum"]
    files = {"stdout": stdout.fileno(), "stderr": stderr.fileno()}
    return house().started(command[3:], cwd=cwd, env=env, **files)


def run(
    args: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    timeout: float = 60.0,
    apart: bool = True,
) -> "subprocess.CompletedProcess[str]":
    """`hilum …` from begin to end.

    Args:
        args: after the name of the program.
        env: its whole environment.
        timeout: seconds it may take.
        apart: standard error is not put into standard output.

    Raises:
        subprocess.TimeoutExpired: it took longer.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        stderr = (errors if apart else out).fileno()
        forked = house().started([*map(str, args)], env=env, stdout=out.fileno(), stderr=stderr)
        try:
            code = forked.wait(timeout)
        except BaseException:
            forked.kill()
            forked.wait()
            raise
        texts = []
        for file in (out, errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return subprocess.CompletedProcess(forked.args, code, *texts)


def _serve(line: socket.socket) -> Mapping[str, object]:
    """Fork for who asks; what the fork shall do. Ends this process when nobody asks any more."""
    while True:
        text, files, _, _ = socket.recv_fds(line, _MOST, 2)
        if not text:
            os._exit(0)
        wish = json.loads(text)
        if "poll" in wish:
            pid, status = os.waitpid(wish["poll"], os.WNOHANG)
            line.send(json.dumps(os.waitstatus_to_exitcode(status) if pid else None).encode())
            continue
        pid = os.fork()
        if pid == 0:
            for number, file in enumerate(files, 1):
                os.dup2(file, number)
                os.close(file)
            return wish
        line.send(json.dumps(pid).encode())
        for file in files:
            os.close(file)


def _main() -> None:
    for each in _NEEDED:
        import_module(each)
    gc.freeze()
    with socket.socket(fileno=os.dup(0)) as line:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        wish = _serve(line)
    # from here on, this is a fork
    os.chdir(str(wish["cwd"]))
    os.environ.clear()
    os.environ.update(wish["env"])
    time.tzset()
    program = import_module("hilum.__main__")
    sys.argv = [program.__file__ or "hilum", *wish["args"]]
    program.main()


if __name__ == "__main__":
    _main()
