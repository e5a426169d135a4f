"""Hilum's own SCU, as the broker uses it: a process that asks peers and tells what it took.

    python -m bench.scu

reads one question a line, a JSON array, and answers each with one line of JSON:

    ["pooled" | "new", SECONDS, HOST, PORT, AET, UID, ...]    searches for one study after another
    ["find" | "get" | "store", HOST, PORT, AET, UID | FILE...]

Times are taken within the process, the association included but for `pooled`.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Self

from anyio import CapacityLimiter
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from bench.clients import ClientFailed
from bench.system import System
from hilum.backends.dimse import contexts
from hilum.backends.dimse.find import CONTEXTS as FIND
from hilum.backends.dimse.find import find
from hilum.backends.dimse.retrieve import GET_CONTEXTS, get
from hilum.backends.dimse.store import PeerStores
from hilum.cli.intake.ahead import Ahead
from hilum.cli.intake.files import Unreadable
from hilum.model.errors import HilumError
from hilum.model.identity import Level
from hilum.model.instance import Instance
from hilum.model.outcome import Stored
from hilum.model.query import Path as Keys
from hilum.service import loop, memory
from hilum.upper_layer.association import Association
from hilum.upper_layer.requestor import Remote, associate

_KEYS: tuple[Keys, ...] = ((0x00100010,), (0x00100020,), (0x00080020,), (0x00080050,))
_STUDY: Keys = (0x0020000D,)


class _Nowhere:
    """Takes instances and forgets them, as `getscu --ignore` does."""

    def __init__(self) -> None:
        self.count = 0

    async def store(self, instance: Instance, /) -> Stored:
        async for _ in instance.chunks:
            pass
        self.count += 1
        return Stored(
            sop_class_uid=instance.sop_class_uid, sop_instance_uid=instance.sop_instance_uid
        )


async def _ask(association: Association, study: str) -> int:
    keys: dict[Keys, str] = {**dict.fromkeys(_KEYS, ""), _STUDY: study}
    count = 0
    async with find(association, Level.STUDY, keys) as answers:
        async for _ in answers:
            count += 1
    return count


async def _find_new(remote: Remote, study: str) -> int:
    async with associate(remote, FIND) as association:
        return await _ask(association, study)


async def _get(remote: Remote, study: str) -> int:
    into = _Nowhere()
    proposal = contexts.storage([CTImageStorage], beside=len(GET_CONTEXTS))
    wanted = [*GET_CONTEXTS, *proposal.wanted]
    async with (
        associate(remote, wanted, roles=proposal.roles) as association,
        get(association, Level.STUDY, {_STUDY: study}, into) as retrieval,
    ):
        async for _ in retrieval:
            pass
    return into.count


async def _each(paths: Sequence[Path]) -> AsyncIterator[Path]:
    for path in paths:
        yield path


async def _store(remote: Remote, paths: Sequence[Path]) -> int:
    need = [(CTImageStorage, ExplicitVRLittleEndian)]
    count = 0
    async with (
        PeerStores(remote).open(need) as session,
        Ahead(_each(paths), CapacityLimiter(2)) as ahead,
    ):
        async for _, instance in ahead:
            if isinstance(instance, Unreadable):
                raise ClientFailed(str(instance))
            stored = await session.store(instance)
            if stored.failure is not None:
                raise stored.failure
            count += 1
    return count


async def _once(work: Awaitable[int]) -> dict[str, Any]:
    began = time.perf_counter()
    count = await work
    return {"seconds": time.perf_counter() - began, "count": count}


async def _again(
    ask: Callable[[str], Awaitable[int]], studies: list[str], end: float
) -> list[float]:
    times = []
    for study in cycle(studies):
        began = time.perf_counter()
        if await ask(study) != 1:
            raise ClientFailed("the study was not found")
        times.append(time.perf_counter() - began)
        if time.perf_counter() > end:
            break
    return times


async def _ones(kind: str, seconds: float, remote: Remote, studies: list[str]) -> dict[str, Any]:
    """Ask for one study after another; the first few do not count."""

    async def measured(ask: Callable[[str], Awaitable[int]]) -> list[float]:
        for _ in range(3):
            await ask(studies[0])
        return await _again(ask, studies, time.perf_counter() + seconds)

    if kind == "new":
        times = await measured(lambda study: _find_new(remote, study))
    else:
        async with associate(remote, FIND) as association:
            times = await measured(lambda study: _ask(association, study))
    return {"seconds": statistics.median(times), "count": len(times)}


async def _work(arguments: list[str]) -> dict[str, Any]:
    kind, *rest = arguments
    seconds = float(rest.pop(0)) if kind in {"pooled", "new"} else 0.0
    host, port, aet, *rest = rest
    remote = Remote(host=host, port=int(port), calling="BENCH", called=aet)
    match kind:
        case "find":
            return await _once(_find_new(remote, ""))
        case "get":
            return await _once(_get(remote, rest[0]))
        case "store":
            return await _once(_store(remote, [Path(each) for each in rest]))
    return await _ones(kind, seconds, remote, rest)


class Scu:
    """The process; to be entered."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.scu"],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ask(
        self, kind: str, to: System, *rest: str, seconds: float | None = None
    ) -> tuple[float, int]:
        """Seconds (the median, of several), and the number of what came.

        Raises:
            ClientFailed: it did not succeed.
        """
        more = [] if seconds is None else [str(seconds)]
        question = json.dumps([kind, *more, to.host, str(to.port), to.aet, *rest])
        if self._process.stdin is None or self._process.stdout is None:
            raise ClientFailed("our SCU has no ears")
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "it is gone"}')
        if "error" in answer:
            raise ClientFailed(f"our SCU failed: {answer['error']}")
        return float(answer["seconds"]), int(answer["count"])


def serve() -> None:
    """Answer all questions, until there are no more."""
    memory.tune()  # as the broker does
    for line in sys.stdin:
        try:
            answer = loop.run(_work(json.loads(line)))
        except (HilumError, ClientFailed) as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
