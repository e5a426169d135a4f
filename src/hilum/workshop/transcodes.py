"""Takes an instance from one Transfer Syntax to another, in the workshop."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from hilum.config.imaging import ImagingSettings
from hilum.imaging.codecs import CODECS, can_decode, can_encode
from hilum.model.errors import BadRequest, NotAcceptable, OutOfResources
from hilum.model.instance import CHUNK, Instance
from hilum.workshop import tasks
from hilum.workshop.pool import Workshop
from hilum.workshop.spool import SMALL, Room, SpoolFile

PACE: Final = 1024 * 1024  # bytes of an instance for which each second is added to its time


class Transcoder:
    """Implements `core.backend.Transcodes`.

    Args:
        workshop: where it is done.
        settings: how much room and time it may take.
        folder: for instances that are too large for memory; for nobody else.
    """

    def __init__(self, workshop: Workshop, settings: ImagingSettings, folder: Path) -> None:
        self._workshop = workshop
        self._settings = settings
        self._room = Room(folder, settings.max_spool)

    def possible(self, source_ts: str, target_ts: str, /) -> bool:
        """See `core.backend.Transcodes`."""
        target = CODECS.get(target_ts)
        return (
            target is not None
            and target.lossless
            and can_decode(source_ts)
            and can_encode(target_ts)
        )

    @asynccontextmanager
    async def transcoded(
        self, instance: Instance, target_ts: str, /, *, or_as_it_is: bool = False
    ) -> AsyncIterator[Instance]:
        """See `core.backend.Transcodes`."""
        async with AsyncExitStack() as stack:
            source, size = await self._taken(instance.chunks, stack)
            try:
                if not self.possible(instance.transfer_syntax_uid, target_ts):
                    raise NotAcceptable(f"it cannot be given in Transfer Syntax {target_ts} here")
                result = await self._done(source, size, instance, target_ts, stack)
            except (BadRequest, OutOfResources):
                if not or_as_it_is:
                    raise
                yield replace(instance, chunks=_chunks(source), size=size)
                return
            size = len(result) if isinstance(result, bytes) else result.size
            yield replace(
                instance, transfer_syntax_uid=target_ts, chunks=_chunks(result), size=size
            )

    async def _taken(
        self, chunks: AsyncIterator[bytes], stack: AsyncExitStack
    ) -> tuple[bytes | SpoolFile, int]:
        """All of an instance, and its size."""
        head: list[bytes] = []
        size = 0
        file: SpoolFile | None = None
        async for chunk in chunks:
            size += len(chunk)
            if file is not None:
                await file.append(chunk)
                continue
            head.append(chunk)
            if size > SMALL:
                file = await self._file(stack)
                await file.append(b"".join(head))
                head.clear()
        return (b"".join(head) if file is None else file), size

    async def _done(
        self,
        source: bytes | SpoolFile,
        size: int,
        instance: Instance,
        target_ts: str,
        stack: AsyncExitStack,
    ) -> bytes | SpoolFile:
        target = await self._file(stack)
        most = await self._room.run(self._room.free) // self._workshop.processes
        result = await self._workshop.run(
            tasks.transcoded,
            source if isinstance(source, bytes) else str(source.path),
            instance.transfer_syntax_uid,
            target_ts,
            str(target.path),
            most,
            limit=self._settings.timeout + size / PACE,
        )
        if isinstance(result, int):
            target.take(result)
            return target
        return result

    async def _file(self, stack: AsyncExitStack) -> SpoolFile:
        file = await self._room.file()
        stack.push_async_callback(file.close)
        return file


async def _chunks(content: bytes | SpoolFile) -> AsyncIterator[bytes]:
    if isinstance(content, bytes):
        for start in range(0, len(content), CHUNK):
            yield content[start : start + CHUNK]
    else:
        async for chunk in content.chunks():
            yield chunk
