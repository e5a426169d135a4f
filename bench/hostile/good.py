"""The well-behaved client: asks at both doors, one thing after another, and writes down how long.

    python -m bench.hostile.good PLACE

writes a line of JSON for each thing done: `[kind, when, seconds, error]`, until it is ended.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote

import httpx
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from bench.hostile.place import AET, CT, HOST, INSTANCES, SERIES, STUDY, Place, image, part10
from hilum.backends.dimse.echo import echo
from hilum.backends.dimse.find import CONTEXTS as FIND
from hilum.backends.dimse.find import find
from hilum.backends.dimse.store import PeerStores
from hilum.codec.header import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from hilum.codec.multipart import closing, part_head
from hilum.codec.sop_class import VERIFICATION
from hilum.model.errors import HilumError
from hilum.model.identity import Level
from hilum.model.instance import Instance
from hilum.model.query import Path
from hilum.upper_layer.requestor import Remote, associate

PAUSE = 0.03  # seconds between two requests
PATIENCE = 60.0  # seconds that it waits for anything
_OWN = "1.2.826.0.1.3680043.10.1511.2"  # what its own stores begin with
_BOUNDARY = "hilum-bench-hostile"


class Unexpected(Exception):
    """An answer that is not what it must be."""


def encoded(study: str, number: int) -> tuple[str, bytes]:
    """SOP Instance UID and encoded data set of an image."""
    made, out = image(study, number), DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = False, True
    write_dataset(out, made)
    return str(made.SOPInstanceUID), out.getvalue()


class Good:
    """One client."""

    def __init__(self, place: Place, http: httpx.AsyncClient) -> None:
        self._http = http
        self._remote = Remote(host=HOST, port=place.dimse, calling="GOOD", called=AET)
        start = time.time_ns() // 1_000_000
        self._studies = (f"{_OWN}.{start}.{number}" for number in itertools.count(1))

    @property
    def kinds(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """All that it does, by name."""
        return {
            "C-ECHO": self.echo,
            "C-FIND": self.find,
            "C-STORE": self.store,
            "QIDO-RS": self.qido,
            "metadata": self.metadata,
            "WADO-RS": self.wado,
            "STOW-RS": self.stow,
        }

    async def echo(self) -> None:
        async with associate(self._remote, [(VERIFICATION, [IMPLICIT_LITTLE])]) as association:
            await echo(association)

    async def find(self) -> None:
        keys: dict[Path, str] = {(0x0020000D,): STUDY, (0x00100010,): ""}
        async with (
            associate(self._remote, FIND) as association,
            find(association, Level.STUDY, keys) as answers,
        ):
            count = sum([1 async for _ in answers])
        _expect(count, 1, "matches")

    async def store(self) -> None:
        await self.put(next(self._studies), 1)

    async def put(self, study: str, number: int) -> None:
        """C-STORE of one image."""
        uid, data = encoded(study, number)

        async def chunks() -> AsyncIterator[bytes]:
            yield data

        async with PeerStores(self._remote).open([(CT, EXPLICIT_LITTLE)]) as session:
            stored = await session.store(Instance(uid, CT, EXPLICIT_LITTLE, chunks(), len(data)))
        if stored.failure is not None:
            raise stored.failure

    async def qido(self) -> None:
        answer = await self._get(f"studies?StudyInstanceUID={STUDY}&PatientName={quote('*')}")
        _expect(len(answer.json()), 1, "matches")

    async def metadata(self) -> None:
        answer = await self._get(f"studies/{STUDY}/metadata")
        _expect(len(answer.json()), INSTANCES, "instances")

    async def wado(self) -> None:
        answer = await self._get(f"studies/{STUDY}/series/{SERIES}")
        _expect(answer.content.count(b"DICM"), INSTANCES, "instances")

    async def stow(self) -> None:
        study = next(self._studies)
        _, data = encoded(study, 1)
        body = part_head(_BOUNDARY, {"Content-Type": "application/dicom"}, first=True)
        body += part10(image(study, 1), data) + closing(_BOUNDARY)
        kind = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
        answer = await self._http.post("studies", content=body, headers={"Content-Type": kind})
        _expect(answer.status_code, 200, "as status")

    async def _get(self, path: str) -> httpx.Response:
        answer = await self._http.get(path)
        _expect(answer.status_code, 200, "as status")
        return answer


def _expect(found: int, wanted: int, what: str) -> None:
    if found != wanted:
        raise Unexpected(f"{found} {what} instead of {wanted}")


async def work(place: Place) -> None:
    """Store what is asked for later, then ask for ever."""
    headers = {"Authorization": f"Bearer {place.token}"}
    async with httpx.AsyncClient(
        base_url=f"{place.root}/", headers=headers, timeout=PATIENCE, trust_env=False
    ) as http:
        client = Good(place, http)
        for number in range(1, INSTANCES + 1):
            await client.put(STUDY, number)
        for kind, act in itertools.cycle(client.kinds.items()):
            began, error = time.perf_counter(), ""
            try:
                async with asyncio.timeout(PATIENCE):
                    await act()
            except (HilumError, Unexpected, httpx.HTTPError, OSError) as failure:
                error = f"{type(failure).__name__}: {failure}"
            seconds = time.perf_counter() - began
            print(json.dumps([kind, time.monotonic() - seconds, seconds, error]), flush=True)
            await asyncio.sleep(PAUSE)


if __name__ == "__main__":
    asyncio.run(work(Place.understood(sys.argv[1])))
