"""Hilum beside Orthanc, in one run: a CT study in by C-STORE, out by C-GET and C-MOVE.

    python bench/dimse.py [--slices 500] [--rounds 3] [--nagle-slices 50] [--corpus FOLDER]

Both get DCMTK's programs as clients and an empty store in each round. Ratios are Orthanc's time
over ours: above 1 we are faster. Absolute times of one machine mean little.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import corpus
from servers import DCMTK, ORTHANC, free_port, peak, server, timed


@contextmanager
def hilum(folder: Path, destination: int, *, nodelay: bool = True) -> Iterator[tuple[int, int]]:
    """Hilum with its default durability; gives port and process id."""
    del nodelay  # it never waits for Nagle, whatever the environment says
    port = free_port()
    config = folder / "hilum.toml"
    config.write_text(
        f"""[server]
data = "{folder}/data"
[frontend]
mode = "dimse"
[dimse]
port = {port}
accept_unknown_callers = true
[mounts.ARCHIVE]
backend = "archive"
default = true
[peers.DEST]
aet = "DEST"
host = "127.0.0.1"
port = {destination}
[logging]
level = "warning"
"""
    )
    command = [sys.executable, "-m", "hilum", "run", "--config", str(config)]
    with server(command, port) as pid:
        yield port, pid


@contextmanager
def orthanc(folder: Path, destination: int, *, nodelay: bool = True) -> Iterator[tuple[int, int]]:
    """Orthanc as Debian ships it; gives port and process id."""
    port, web = free_port(), free_port()
    config = {
        "Name": "bench",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "DicomAet": "HILUM",
        "DicomPort": port,
        "HttpPort": web,
        "RemoteAccessAllowed": False,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomModalities": {"DEST": ["DEST", "127.0.0.1", destination]},
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(config))
    environment = {"TCP_NODELAY": "1"} if nodelay else {}
    with server([ORTHANC, str(path)], port, **environment) as pid:
        yield port, pid


def client(name: str, port: int, *arguments: str) -> list[str]:
    """A DCMTK client's command line."""
    return [str(DCMTK / name), "-aet", "BENCH", "-aec", "HILUM", "127.0.0.1", str(port), *arguments]


def walk(start: object, paths: list[Path], work: Path, nagle: int) -> dict[str, float]:
    """All operations once, against a server with an empty store."""
    study = corpus.generate_uid(entropy_srcs=["hilum", "bench", str(len(paths))])
    key = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
    times: dict[str, float] = {}
    folder = Path(tempfile.mkdtemp(dir=work))
    destination = free_port()
    scp = [str(DCMTK / "storescp"), "-aet", "DEST", "--ignore", str(destination)]
    with (
        server(scp, destination, TCP_NODELAY="1"),
        start(folder, destination) as (port, pid),  # type: ignore[operator]
    ):
        files = [str(path) for path in paths]
        times["C-STORE"] = timed(client("storescu", port, *files))
        times["C-GET"] = timed(client("getscu", port, "-S", "--ignore", *key))
        times["C-MOVE"] = timed(client("movescu", port, "-S", "-aem", "DEST", *key))
        times["memory"] = peak(pid)
    shutil.rmtree(folder)
    folder = Path(tempfile.mkdtemp(dir=work))
    with start(folder, destination, nodelay=False) as (port, _):  # type: ignore[operator]
        few = [str(path) for path in paths[:nagle]]
        times["C-STORE Nagle"] = timed(client("storescu", port, *few), nodelay=False)
    shutil.rmtree(folder)
    return times


def main() -> None:
    """Run the rounds, ours and theirs by turns, and print medians and ratios."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--slices", type=int, default=500)
    arguments.add_argument("--nagle-slices", type=int, default=50)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument(
        "--corpus", type=Path, default=Path(tempfile.gettempdir()) / "hilum-bench"
    )
    arguments.add_argument("--only", choices=("hilum", "orthanc"))
    given = arguments.parse_args()
    paths = corpus.make(given.corpus / str(given.slices), given.slices)
    servers = {"hilum": hilum, "orthanc": orthanc}
    if given.only or not ORTHANC:
        servers = {given.only or "hilum": servers[given.only or "hilum"]}
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    with tempfile.TemporaryDirectory() as work:
        for _ in range(given.rounds):
            for name, start in servers.items():
                seen[name].append(walk(start, paths, Path(work), given.nagle_slices))
    medians = {
        name: {row: statistics.median(each[row] for each in runs) for row in runs[0]}
        for name, runs in seen.items()
    }
    rows = ("C-STORE", "C-GET", "C-MOVE", "C-STORE Nagle", "memory")
    print(f"{given.slices} slices, {given.rounds} rounds, medians")
    for row in rows:
        unit = "MB" if row == "memory" else "s"
        line = "  ".join(f"{name} {medians[name][row]:8.3f} {unit}" for name in medians)
        both = len(medians) > 1 and row != "memory"
        ratio = medians["orthanc"][row] / medians["hilum"][row] if both else None
        print(f"{row:14} {line}" + (f"  ratio {ratio:.2f}" if ratio else ""))


if __name__ == "__main__":
    main()
