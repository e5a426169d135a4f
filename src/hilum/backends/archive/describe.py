"""How the metadata of instances are given, and the values that they leave out."""

import asyncio
import json
import mmap
from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from hilum.backends.archive.answer import BULK, bulk_prefix
from hilum.backends.archive.deflated import dictionary_of, inflate
from hilum.backends.archive.files import HEAD, Files
from hilum.backends.archive.locate import Located, locate
from hilum.backends.archive.readers import Cursor, Readers
from hilum.backends.archive.retrieve import Opened, pieces
from hilum.backends.archive.schema import DESCRIPTION, DICTIONARY, INSTANCE, SERIES, STUDY
from hilum.backends.archive.terms import shares
from hilum.codec import deflate, dicom_json
from hilum.codec.header import WORD, swapped, syntax_of
from hilum.core.backend import BulkData
from hilum.core.budget import Outgoing, Share
from hilum.model.errors import BackendFault, NotFound, Vanished
from hilum.model.identity import Ref
from hilum.model.instance import CHUNK
from hilum.model.query import Path

_FIRST: Final = 100  # instances whose metadata are read at once, to begin with
_BATCH: Final = 400  # and then
_ENOUGH: Final = CHUNK
"""Bytes of metadata after which no more are read at once; fewer where many others hold much."""


async def metadata(readers: Readers, ref: Ref, bulk_root: str) -> AsyncGenerator[bytes]:
    """One DICOM JSON object per instance below `ref`, in the order of `locate`."""
    share = Share()

    def begin(cursor: Cursor) -> tuple["array[int]", list[bytes]]:
        ids = array("q", (each.file for each in locate(cursor, ref)))
        return ids, _described(cursor, ids[:_FIRST], bulk_root, room)

    def go_on(cursor: Cursor) -> list[bytes]:
        return _described(cursor, ids[done : done + _BATCH], bulk_root, room)

    room = share.room
    ids, described = await readers.run(begin)
    done = 0
    try:
        while done < len(ids):
            share.take(sum(map(len, described)))
            done += len(described)
            described.reverse()
            while described:
                if each := described.pop():  # else it was replaced meanwhile
                    yield each
            share.close()
            room = share.room
            described = await readers.run(go_on) if done < len(ids) else []
    finally:
        share.close()


def _described(cursor: Cursor, ids: Sequence[int], bulk_root: str, room: int) -> list[bytes]:
    """The metadata of some of the instances, of at least one; b"" for one that is gone."""
    described: list[bytes] = []
    size = 0
    for start in range(0, len(ids), _FIRST):
        some = ids[start : start + _FIRST]
        found = {row[0]: row[1:] for row in cursor.rows(_statement(), [json.dumps([*some])])}
        for number in some:
            text = b""
            if number in found:
                study, series, instance, data, dictionary = found[number]
                url = f"{bulk_root}/studies/{study}/series/{series}/instances/{instance}"
                text = inflate(data, dictionary_of(dictionary)).replace(BULK, bulk_prefix(url))
            described.append(text)
            size += len(text)
            if size > min(_ENOUGH, room):
                return described
    return described


@lru_cache(maxsize=1)
def _statement() -> str:
    given = sa.func.json_each(sa.bindparam("ids")).table_valued("value").c.value
    statement = (
        sa.select(
            INSTANCE.c.id,
            STUDY.c.study_instance_uid,
            SERIES.c.series_instance_uid,
            INSTANCE.c.sop_instance_uid,
            DESCRIPTION.c.json,
            DICTIONARY.c.json,
        )
        .select_from(
            INSTANCE.join(SERIES, SERIES.c.id == INSTANCE.c.series)
            .join(STUDY, STUDY.c.id == SERIES.c.study)
            .join(DESCRIPTION, DESCRIPTION.c.instance == INSTANCE.c.id)
            .outerjoin(DICTIONARY, shares(INSTANCE, DESCRIPTION, DICTIONARY))
        )
        .where(INSTANCE.c.id.in_(sa.select(given)))
    )
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="qmark")))


@dataclass(frozen=True, slots=True)
class _Value:
    """A value found in a file, or, where its data set is deflated, in memory."""

    length: int
    vr: str
    encapsulated: bool
    opened: Opened
    offset: int
    inflated: bytearray | None = None


class Bulk:
    """One value that metadata left out. `close` leaves nothing open."""

    def __init__(self, files: Files, readers: Readers, threads: ThreadPoolExecutor) -> None:
        self._files = files
        self._readers = readers
        self._threads = threads
        self._share = Outgoing()
        self._value: _Value | None = None

    async def open(self, ref: Ref, path: Path) -> BulkData:
        """Look the value up.

        Raises:
            NotFound: no such instance or value.
            BackendFault: the file cannot be read.
        """
        found = await self._readers.soon(lambda cursor: locate(cursor, ref))
        if len(found) != 1 or ref.instance is None or not path:
            raise NotFound("no such instance")
        try:
            value = await self._in_thread(self._look, found[0], path)
        except FileNotFoundError as error:
            raise Vanished("the file of this instance cannot be read") from error
        except OSError as error:
            raise BackendFault("the file of this instance cannot be read") from error
        self._value = value
        syntax = found[0].transfer_syntax_uid
        big = syntax_of(syntax).big and not value.encapsulated

        def part(start: int, length: int) -> AsyncIterator[bytes]:
            return self._chunks(value, start, length, big=big)

        key = f"{self._files.path(found[0].file)} {_text(path)}"
        return BulkData(syntax, value.length, part(0, value.length), value.encapsulated, key, part)

    def close(self) -> None:
        """Close the file."""
        self._share.close()
        value, self._value = self._value, None
        if value is not None:
            self._threads.submit(value.opened.close)

    async def _in_thread(self, function: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401 - what it gives
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    def _look(self, each: Located, path: Path) -> _Value:
        """Where the value is; in a thread."""
        opened = Opened(self._files, each.file)
        try:
            return _look(opened, each, _text(path))
        except BaseException:
            opened.close()
            raise

    async def _chunks(
        self, value: _Value, start: int, length: int, *, big: bool
    ) -> AsyncIterator[bytes]:
        """A part of the value, in little endian."""
        word = WORD.get(value.vr, 1) if big else 1
        before = start % word  # words are turned around whole
        end = min(start + length + -(start + length) % word, value.length)
        async for piece in self._raw(value, start - before, end):
            turned = swapped(piece, word) if word > 1 else piece
            given = turned[before : before + length]
            before, length = 0, length - len(given)
            yield given

    async def _raw(self, value: _Value, start: int, end: int) -> AsyncIterator[bytes]:
        """Its bytes as they lie there, a MiB at a time."""
        if value.inflated is not None:
            data = bytes(value.inflated[value.offset + start : value.offset + end])
            for at in range(0, len(data), CHUNK):
                yield data[at : at + CHUNK]
            return
        try:
            where = (value.offset + start, end - start)
            async for piece in pieces(self._threads, value.opened, *where, self._share):
                yield piece
        except OSError as error:
            raise BackendFault("the file of this instance cannot be read") from error


def _look(opened: Opened, each: Located, path: str) -> _Value:
    with (
        mmap.mmap(opened.fileno(), HEAD + each.size, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as whole,
        whole[HEAD : HEAD + each.size] as data,
    ):
        syntax = each.transfer_syntax_uid
        offset, length, vr, encapsulated = dicom_json.bulk_at(data, syntax, path)
        inflated = deflate.inflate(data)[0] if syntax_of(syntax).deflated else None
    return _Value(length, vr, encapsulated, opened, offset, inflated)


def _text(path: Path) -> str:
    """Tags and item numbers in turn, as in a BulkDataURI."""
    return "/".join(str(part) if place % 2 else f"{part:08X}" for place, part in enumerate(path))
