"""What stands behind the mount in these tests: it counts, waits and hangs as it is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
from pydicom import Dataset

from hilum.codec.sop_class import EXPLICIT_LE
from hilum.core import backend
from hilum.core.backend import Retrieval, StoreSession
from hilum.core.operations import Originator
from hilum.model.errors import HilumError
from hilum.model.identity import Ref
from hilum.model.instance import Instance, Listed
from hilum.model.outcome import Stored
from hilum.model.query import Query

CT = "1.2.840.10008.5.1.4.1.1.2"


@dataclass(slots=True)
class Keeping:
    """Stores that count.

    Attributes:
        gate: what reading waits for before each piece.
        failure: what each store answers.
        taken: SOP Instance UID and size of what was read to its end.
        sessions: how many were opened.
        held: how many are open now.
        reading: set when the first store begins.
    """

    gate: asyncio.Event | None = None
    failure: HilumError | None = None
    taken: list[tuple[str, int]] = field(default_factory=list)
    sessions: int = 0
    held: int = 0
    reading: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def open(
        self,
        _contexts: Sequence[tuple[str, str]] = (),
        _originator: Originator | None = None,
        /,
    ) -> AsyncIterator[StoreSession]:
        self.sessions += 1
        self.held += 1
        try:
            yield self
        finally:
            self.held -= 1

    async def store(self, instance: Instance, /) -> Stored:
        size = 0
        self.reading.set()
        async for chunk in instance.chunks:
            size += len(chunk)
            if self.gate is not None:
                await self.gate.wait()
        self.taken.append((instance.sop_instance_uid, size))
        return Stored(
            sop_class_uid=instance.sop_class_uid,
            sop_instance_uid=instance.sop_instance_uid,
            failure=self.failure,
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A match."""

    attributes: dict[str, object]

    def decoded(self) -> dict[str, object]:
        return dict(orjson.loads(self.dicom_json()))

    def dicom_json(self, _root: str | None = None) -> bytes:
        return orjson.dumps(self.attributes)

    def dataset(self) -> Dataset:
        return Dataset.from_json(self.dicom_json())


@dataclass(slots=True)
class Answering:
    """Finds of `count` matches, each after `pause` seconds; after `hold` of them it hangs."""

    count: int = 3
    pause: float = 0.0
    hold: int | None = None
    width: int = 1
    queries: list[Query] = field(default_factory=list)
    held: int = 0
    given: int = 0
    failure: HilumError | None = None

    @asynccontextmanager
    async def find(self, query: Query, /) -> AsyncIterator[backend.Found]:
        self.queries.append(query)
        self.held += 1
        try:
            yield backend.Found(self._matches())
        finally:
            self.held -= 1

    async def _matches(self) -> AsyncIterator[Found]:
        if self.failure is not None:
            raise self.failure
        for at in range(self.count):
            if at == self.hold:
                await asyncio.Event().wait()
            if self.pause:
                await asyncio.sleep(self.pause)
            self.given += 1
            yield Found(
                {
                    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "X" * self.width}]},
                    "0020000D": {"vr": "UI", "Value": [f"1.2.{at}"]},
                }
            )


@dataclass(slots=True)
class Giving:
    """Retrieves of `count` instances of `size` bytes in pieces of `chunk`."""

    count: int = 3
    size: int = 100
    chunk: int = 1024 * 1024
    hang: bool = False
    held: int = 0
    asked: list[Ref] = field(default_factory=list)

    @asynccontextmanager
    async def retrieve(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        self.asked += refs
        self.held += 1
        try:
            manifest = [Listed(f"1.2.3.{at}", CT, EXPLICIT_LE) for at in range(self.count)]
            yield Retrieval(manifest, self._instances(manifest))
        finally:
            self.held -= 1

    async def _instances(self, manifest: Sequence[Listed]) -> AsyncIterator[Instance]:
        for each in manifest:
            yield Instance(each.sop_instance_uid, CT, EXPLICIT_LE, self._chunks(), self.size)

    async def _chunks(self) -> AsyncIterator[bytes]:
        left = self.size
        while left:
            piece = bytes(min(left, self.chunk))
            left -= len(piece)
            yield piece
            if self.hang:
                await asyncio.Event().wait()
