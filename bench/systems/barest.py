"""The floor: servers that do what cannot be left out, see `bench/floors`; and what they give."""

import sys
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.floors.asking import answers, associated
from bench.floors.dimse import FOUND
from bench.processes import free_port, server, together
from bench.system import System
from hilum.codec.sop_class import STUDY_ROOT_FIND

NAME = "floor"
ROOT = Path(__file__).parents[2]
_FINDSCU = 1, 1, 16384 - 6  # presentation context, message and data in a PDU of findscu
_MANY = 64  # answers that are given in turn
_DURABILITY = "as Hilum: each file fdatasync and fsync of its folder before the answer; no index"


@contextmanager
def floor(folder: Path, corpus: Path, sink: int) -> Iterator[System]:
    """Both servers.

    Args:
        folder: for what is stored, and what is ready.
        corpus: the folder of the CT study.
        sink: port of the Storage SCP that C-MOVE sends to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dimse, web = free_port(), free_port()
    python = [sys.executable, "-m"]
    of_dimse = [*python, "bench.floors.dimse", str(dimse), str(folder), str(corpus), str(sink)]
    of_web = [*python, "bench.floors.answers", str(web), str(folder)]
    with together([server(of_dimse, (dimse,), cwd=ROOT), server(of_web, (web,), cwd=ROOT)]):
        root = f"http://127.0.0.1:{web}"
        yield System(name=NAME, port=dimse, aet="FLOOR", web=root, durability=_DURABILITY)


def ready(
    at: System, folder: Path, of: Iterable[System], paths: Sequence[str], accept: str
) -> list[str]:
    """URLs at which the floor gives what the first of these archives answers; [] if none does."""
    known = [each for each in of if each.web]
    urls = []
    for path in paths[:_MANY]:
        name = f"{zlib.crc32(f'{accept} {path}'.encode()):08x}"
        if not (folder / name).exists():
            content = next(filter(None, (_fetched(each, path, accept) for each in known)), None)
            if content is None:
                return []
            (folder / name).write_bytes(content)
        urls.append(f"{at.web}/{name}")
    return urls


def _fetched(system: System, path: str, accept: str) -> bytes | None:
    request = urllib.request.Request(system.web + path, headers={"Accept": accept})  # noqa: S310 - ours
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
            return bytes(answer.read()) if answer.status == 200 else None
    except urllib.error.URLError:
        return None


def find_as(system: System, folder: Path) -> None:
    """Have the floor find what this archive finds: all of it."""
    with associated((system.host, system.port), system.aet, STUDY_ROOT_FIND) as asker:
        found = asker.find()
    context, message, size = _FINDSCU
    (folder / FOUND).write_bytes(answers(context, message, found, size))
