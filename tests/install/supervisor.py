"""What systemd does for a unit, without systemd: enough to start, watch, reload and stop one.

The unit is read as it was installed below a scratch root, and its paths are taken from there.
Called as a program it is a `systemctl` for install-service.sh; $SCRATCH is the root.
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PATIENCE = 120.0  # seconds
_OURS = ("/opt/hilum", "/etc/hilum", "/var/lib/hilum")


class Service:
    """One service below `root`, which may run.

    Attributes:
        settings: the lines of its [Service] section.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        unit = root / "etc/systemd/system/hilum.service"
        lines = unit.read_text(encoding="utf-8").splitlines()
        self.settings: dict[str, list[str]] = {}
        for line in lines:
            if "=" in line and not line.startswith("#"):
                key, _, value = line.partition("=")
                self.settings.setdefault(key, []).append(self.below(value))
        self.process: subprocess.Popen[bytes] | None = None
        self.told: list[str] = []
        self._pid = root / "pid"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0hilum-{os.getpid()}-{abs(hash(str(root)))}")

    def below(self, value: str) -> str:
        """A value of the unit, with our folders below the root."""
        for each in _OURS:
            value = value.replace(each, f"{self.root}{each}")
        return value

    def start(self, **more: str) -> bool:
        """Start it as the unit says; whether it became ready."""
        for name in self.settings["StateDirectory"][0].split():
            (self.root / "var/lib" / name).mkdir(mode=0o750, parents=True, exist_ok=True)
        environ = {
            "PATH": os.defpath,
            "NOTIFY_SOCKET": f"@{self._socket.getsockname()[1:].decode()}",
        }
        environ |= {key: value for key, value in os.environ.items() if key.startswith("HILUM_")}
        for each in shlex.split(" ".join(self.settings["Environment"])):
            key, _, value = each.partition("=")
            environ[key] = value
        name, _, source = self.settings["LoadCredential"][0].partition(":")
        credentials = self.root / "run/credentials"
        credentials.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in Path(source).iterdir():
            (credentials / f"{name}_{file.name}").write_bytes(file.read_bytes())
        environ["CREDENTIALS_DIRECTORY"] = str(credentials)
        environ["HILUM_SERVER__DATA"] = str(self.root / "var/lib/hilum")
        with (self.root / "journal").open("ab") as journal:
            self.process = subprocess.Popen(
                shlex.split(self.settings["ExecStart"][0]),
                env=environ | more,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=journal,
                stderr=journal,
                start_new_session=True,
            )
        self._pid.write_text(str(self.process.pid))
        return self.hears("READY=1")

    def hears(self, state: str) -> bool:
        """Whether it says that; what it says meanwhile is in `told`. False when it ends."""
        assert self.process is not None
        until = time.monotonic() + PATIENCE
        self._socket.settimeout(0.1)
        while self.process.poll() is None and time.monotonic() < until:
            try:
                lines = self._socket.recv(4096).decode().splitlines()
            except TimeoutError:
                continue
            self.told += lines
            if state in lines:
                return True
        return False

    def reload(self) -> None:
        """As ExecReload says."""
        pid = str(self.pid)
        command = self.settings["ExecReload"][0].replace("$MAINPID", pid)
        subprocess.run(shlex.split(command), check=True)

    @property
    def pid(self) -> int | None:
        """Of the process, if it lives."""
        try:
            pid = int(self._pid.read_text())
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, ValueError):
            return None
        return None if state == "Z" else pid

    def stop(self) -> int | None:
        """SIGTERM, and until it is gone; its exit code, if it is our child."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGTERM)
        if self.process is not None:
            return self.process.wait(PATIENCE)
        until = time.monotonic() + PATIENCE
        while self.pid is not None and time.monotonic() < until:
            time.sleep(0.02)
        return None

    def close(self) -> None:
        """Let nothing stay."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait(PATIENCE)
        self._socket.close()


def main(arguments: list[str]) -> int:
    """`systemctl …`."""
    root = Path(os.environ["SCRATCH"])
    verb = next(each for each in arguments if not each.startswith("-"))
    with (root / "asked").open("a") as asked:
        asked.write(" ".join(arguments) + "\n")
    if verb in {"daemon-reload", "enable"}:
        return 0
    service = Service(root)
    if verb == "is-active":
        state = "inactive" if service.pid is None else "active"
        sys.stdout.write(f"{state}\n")
        return 0 if state == "active" else 3
    if verb == "start":
        if service.start():
            return 0
        service.close()
        return 1
    service.stop()  # stop, disable --now
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
