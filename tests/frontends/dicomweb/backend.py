"""A backend that does what a test tells it to, and says whether it was left."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
from pydicom import Dataset

from hilum.core.backend import BulkData, Found, Retrieval, StoreSession
from hilum.core.operations import Originator
from hilum.model.errors import HilumError
from hilum.model.identity import Ref
from hilum.model.instance import Instance, Listed
from hilum.model.outcome import Stored
from hilum.model.query import Path, Query


@dataclass
class Said:
    """A match whose JSON is what the test says."""

    attributes: dict[str, object]

    def decoded(self) -> dict[str, object]:
        return dict(orjson.loads(self.dicom_json()))

    def dicom_json(self, retrieve_root: str | None = None) -> bytes:
        url = {"00081190": {"vr": "UR", "Value": [retrieve_root]}} if retrieve_root else {}
        return orjson.dumps({**url, **self.attributes})

    def dataset(self) -> Dataset:
        return Dataset.from_json(self.attributes)


@dataclass
class Kept:
    """One instance: its UIDs, encoded data set, and whether reading it fails after some chunks."""

    uid: str
    data: bytes = b"\x08\x00\x05\x00CS\x00\x00"
    syntax: str = "1.2.840.10008.1.2.1"
    chunk: int = 1024 * 1024
    fails_at: int | None = None
    says: int | None = -1
    kind: str = "1.2.840.10008.5.1.4.1.1.2"

    def listed(self) -> Listed:
        size = len(self.data) if self.says == -1 else self.says
        return Listed(self.uid, self.kind, self.syntax, size)


@dataclass
class Scripted:
    """Attributes: opened, closed: contexts entered and left; error: what fails on entering."""

    matches: list[dict[str, object]] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    objects: list[bytes] = field(default_factory=list)
    value: bytes = b""
    encapsulated: bool = False
    syntax: str = "1.2.840.10008.1.2.1"
    error: Exception | None = None
    late: Exception | None = None
    pause: float = 0.0
    manifest: bool = True
    loses: int = 0
    outcome: HilumError | None = None
    reads: bool = True
    at_once: int = 1
    now: str | None = None
    storing: int = 0
    most: int = 0
    opened: int = 0
    closed: int = 0
    given: int = 0
    queries: list[Query] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    stored: list[tuple[Instance, bytes]] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def echo(self) -> None:
        if self.error is not None:
            raise self.error
        await asyncio.sleep(self.pause)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[None]:
        if self.error is not None:
            raise self.error
        self.opened += 1
        try:
            yield
        finally:
            await asyncio.sleep(0)
            self.closed += 1
            self.left.set()

    async def _tick(self) -> None:
        self.given += 1
        await asyncio.sleep(self.pause)

    def _fail(self) -> None:
        if self.late is not None:
            raise self.late

    @asynccontextmanager
    async def find(self, query: Query, /) -> AsyncIterator[Found]:
        self.queries.append(query)

        async def found() -> AsyncIterator[Said]:
            end = None if query.limit is None else query.offset + query.limit
            page = self.matches[query.offset : end]
            for attributes in page:
                await self._tick()
                yield Said(attributes)
            if page:
                self._fail()

        async with self._open():
            yield Found(found(), self.warnings)

    @asynccontextmanager
    async def retrieve(self, _refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        async def chunks(kept: Kept) -> AsyncIterator[bytes]:
            for at in range(0, len(kept.data), kept.chunk):
                if kept.fails_at is not None and at >= kept.fails_at:
                    raise self.late or HilumError("gone")
                await self._tick()
                yield kept.data[at : at + kept.chunk]

        async def instances() -> AsyncIterator[Instance]:
            for kept in self.kept[: len(self.kept) - self.loses]:
                listed = kept.listed()
                size = listed.size if self.manifest else None
                yield Instance(kept.uid, kept.kind, kept.syntax, chunks(kept), size)

        async with self._open():
            manifest = [kept.listed() for kept in self.kept] if self.manifest else None
            yield Retrieval(manifest, instances())

    @asynccontextmanager
    async def describe(self, _ref: Ref, _bulk_root: str, /) -> AsyncIterator[AsyncIterator[bytes]]:
        async def given() -> AsyncIterator[bytes]:
            for each in self.objects:
                await self._tick()
                yield each
            self._fail()

        async with self._open():
            yield given()

    async def version(self, _ref: Ref, /) -> str | None:
        return self.now or None

    @asynccontextmanager
    async def bulk(self, _ref: Ref, _path: Path, /) -> AsyncIterator[BulkData]:
        async def chunks() -> AsyncIterator[bytes]:
            for at in range(0, len(self.value), 1000):
                await self._tick()
                if at > 2000:
                    self._fail()
                yield self.value[at : at + 1000]

        async with self._open():
            yield BulkData(self.syntax, len(self.value), chunks(), self.encapsulated)

    @asynccontextmanager
    async def open(
        self,
        _contexts: Sequence[tuple[str, str]] = (),
        _originator: Originator | None = None,
        /,
    ) -> AsyncIterator[StoreSession]:
        async with self._open():
            yield self

    async def store(self, instance: Instance, /) -> Stored:
        data = b""
        if self.reads:
            async for chunk in instance.chunks:
                data += chunk
        self.storing += 1
        self.most = max(self.most, self.storing)
        await asyncio.sleep(self.pause)
        self.storing -= 1
        self.stored.append((instance, data))
        return Stored(
            sop_class_uid=instance.sop_class_uid,
            sop_instance_uid=instance.sop_instance_uid,
            study_instance_uid="1.2",
            series_instance_uid="1.3",
            failure=self.outcome,
        )
