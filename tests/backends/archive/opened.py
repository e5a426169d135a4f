"""Archives for tests, and what is looked at in them."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Literal

from tests.contract.made import Made

from hilum.backends.archive import Archive, open_archive
from hilum.config.mounts import ArchiveMount
from hilum.model.identity import Level, Ref
from hilum.model.outcome import Stored
from hilum.model.query import Query


def archive(
    folder: Path,
    duplicates: Literal["keep", "replace", "reject"] = "keep",
    durability: Literal["full", "relaxed"] = "full",
) -> AbstractAsyncContextManager[Archive]:
    return open_archive(ArchiveMount(durability=durability, duplicates=duplicates), folder, "HERE")


async def store(archive: Archive, *instances: Made) -> list[Stored]:
    async with archive.open() as session:
        return [await session.store(each.instance()) for each in instances]


async def keep(archive: Archive, *instances: Made) -> None:
    assert [each.failure for each in await store(archive, *instances)] == [None] * len(instances)


async def find(archive: Archive, level: Level, **match: str) -> list[dict[str, Any]]:
    """By tags in hexadecimal after a t: `t00100020="P1"`."""
    query = Query(level, {(int(tag[1:], 16),): value for tag, value in match.items()})
    async with archive.find(query) as matches:
        return [json.loads(each.dicom_json()) async for each in matches]


async def numbers(archive: Archive, tag: str, level: Level) -> list[Any]:
    return [each.get(tag, {}).get("Value", [None])[0] for each in await find(archive, level)]


async def retrieved(archive: Archive, ref: Ref) -> list[bytes]:
    async with archive.retrieve([ref]) as retrieval:
        return [await joined(each.chunks) async for each in retrieval.instances]


async def joined(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def files(folder: Path) -> list[Path]:
    """Without the empty ones, which wait for those who come next."""
    return sorted(path for path in (folder / "files").rglob("*.dcm") if path.stat().st_size)


def lost(folder: Path) -> list[Path]:
    return sorted((folder / "lost").iterdir())
