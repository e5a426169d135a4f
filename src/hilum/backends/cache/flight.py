"""How does a retrieval come to disk? One flight, however many wait for it; again where it fails."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from hilum.backends.cache.files import Growing, NoRoomError, Threads
from hilum.backends.cache.holding import Holding, Piece
from hilum.backends.cache.share import whole
from hilum.codec.identifiers import Identifiers, look
from hilum.codec.part10 import encode_meta
from hilum.config.mounts import Remote
from hilum.core.backend import Retrieves
from hilum.model.errors import (
    BackendError,
    BackendFault,
    BadDataset,
    HilumError,
    Incomplete,
    OutOfResources,
)
from hilum.model.identity import Ref
from hilum.model.instance import CHUNK, Instance, Listed

log = logging.getLogger(__name__)

PATIENCE = 0.5  # seconds that what has come may wait for more before it is written

Room = Callable[[], Awaitable[bool]]
"""Makes room on the disk, if it can."""


class Flight:
    """Fills one holding.

    The far side is read as fast as it sends and the disk writes, whoever reads how slowly.

    Args:
        refs: what is asked for, as it was asked.
        settings: how often is tried again, where a job waits.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a flight is made of
        self,
        holding: Holding,
        refs: Sequence[Ref],
        retrieves: Retrieves,
        threads: Threads,
        settings: Remote,
        room: Room,
    ) -> None:
        self._holding = holding
        self._refs = refs
        self._retrieves = retrieves
        self._threads = threads
        self._settings = settings
        self._room = room
        self._number = 0

    async def run(self) -> HilumError | None:
        """Fetch; why not all came, or None when all did. Raises only when cancelled."""
        refs = self._refs
        while True:
            self._holding.attempts += 1
            error = await self._attempt(refs)
            if error is None or not self._again(error):
                return error
            log.warning(
                "a retrieval failed and is tried again in %g s: %s",
                *(self._settings.retry_delay, error),
            )
            await asyncio.sleep(self._settings.retry_delay)
            refs = self._left(error)

    def _again(self, error: HilumError) -> bool:
        """Who holds a connection open is told at once; who comes again finds it tried again."""
        held = self._holding
        lasting = not isinstance(error, (BackendError, OutOfResources))
        return bool(held.jobs) and held.attempts <= self._settings.max_retries and not lasting

    def _left(self, error: HilumError) -> Sequence[Ref]:
        """What to ask for again: only what is missing, where that can be said at its level."""
        if not isinstance(error, Incomplete) or not self._holding.here:
            return self._refs
        if not error.missing or error.count > len(error.missing):
            return self._refs
        one = self._refs[0] if len(self._refs) == 1 else Ref()
        listed = {each.sop_instance_uid: each for each in self._holding.manifest or ()}
        left: list[Ref] = []
        for uid in error.missing:
            each = listed.get(uid, Listed(uid, ""))
            study = each.study_instance_uid or one.study
            series = each.series_instance_uid or one.series
            if study is None or series is None:
                return self._refs
            left.append(Ref(study, series, uid, one.patient))
        return left

    async def _attempt(self, refs: Sequence[Ref]) -> HilumError | None:
        held = self._holding
        broken: list[str] = []
        failed: HilumError | None = None
        try:
            async with self._retrieves.retrieve(refs) as retrieval:
                held.enter(retrieval.manifest)
                async for instance in retrieval.instances:
                    if instance.sop_instance_uid not in held.here:
                        await self._take(instance, broken)
        except HilumError as error:
            failed = error
        except (NoRoomError, OSError) as error:
            log.exception("the disk for retrievals cannot be written: %s", held.folder)
            failed = OutOfResources("there is no room on the disk for what is retrieved")
            failed.__cause__ = error
        except Exception:
            log.exception("a retrieval failed")
            failed = BackendFault("the retrieval failed")
        return self._judged(failed, broken)

    def _judged(self, failed: HilumError | None, broken: Sequence[str]) -> HilumError | None:
        """What the manifest says goes before what the far side says, in both directions."""
        held = self._holding
        named = failed.missing if isinstance(failed, Incomplete) else ()
        listed = [each.sop_instance_uid for each in held.manifest or ()]
        every = dict.fromkeys((*broken, *listed, *named))
        missing = tuple(uid for uid in every if uid not in held.here)
        if held.manifest is None and isinstance(failed, Incomplete) and failed.count > len(named):
            return Incomplete(str(failed), missing, len(missing) + failed.count - len(named))
        if not missing:
            return None if named or whole(held).is_here() else failed
        if failed is not None and not held.here:
            return failed
        text = str(failed) if failed is not None else "not all instances came that were announced"
        return Incomplete(text, missing)

    async def _take(self, instance: Instance, broken: list[str]) -> None:
        """Write one instance; the far side's failure in the middle of it costs only it.

        Raises:
            NoRoomError, OSError: our disk fails.
        """
        writing = _Writing(self._holding, instance, self._next(), self._threads, self._room)
        try:
            await writing.all()
        except HilumError as error:
            log.warning("instance %s did not come whole: %s", instance.sop_instance_uid, error)
            broken.append(instance.sop_instance_uid)
            writing.fail(error)
        except BaseException:
            writing.fail(OutOfResources("what is retrieved cannot be written"))
            raise
        finally:
            await writing.close()

    def _next(self) -> int:
        self._number += 1
        return self._number


class _Writing:
    """One instance on its way to disk, a MiB at a time; a small one in one go."""

    def __init__(
        self, holding: Holding, instance: Instance, number: int, threads: Threads, room: Room
    ) -> None:
        self._holding = holding
        self._instance = instance
        self._number = number
        self._threads = threads
        self._room = room
        self._growing: Growing | None = None
        self._piece: Piece | None = None

    async def all(self) -> None:
        """Everything there is of it.

        Raises:
            HilumError: it does not come whole.
            NoRoomError, OSError: our disk fails.
        """
        waiting: list[bytes] = []
        size, since = 0, time.monotonic()
        async for chunk in self._instance.chunks:
            waiting.append(chunk)
            size += len(chunk)
            if size >= CHUNK or time.monotonic() - since > PATIENCE:
                await self._append(waiting, last=False)
                waiting, size, since = [], 0, time.monotonic()
        piece = self._piece
        total = size + (piece.written if piece is not None else 0)
        if self._instance.size not in {None, total}:
            raise BackendFault("an instance has another length than was announced")
        await self._append(waiting, last=True)

    async def _append(self, chunks: Sequence[bytes], *, last: bool) -> None:
        if self._growing is None or self._piece is None:
            piece, growing = self._begun(chunks, last=last)
        else:
            piece, growing = self._piece, self._growing
        while True:
            try:
                await self._threads.run(_appended, growing, chunks, last)
                break
            except NoRoomError:
                if not await self._room():
                    raise
        piece.written += sum(map(len, chunks))
        if last:
            self._holding.finish(piece)
        if self._piece is None:
            self._piece = piece
            self._holding.add(piece)
        self._holding.tell()

    def _begun(self, chunks: Sequence[bytes], *, last: bool) -> tuple[Piece, Growing]:
        """The piece, and its file, which is not there as yet."""
        instance = self._instance
        uids = _uids(b"".join(chunks), instance.transfer_syntax_uid, complete=last)
        meta = encode_meta(
            instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid
        )
        piece = Piece(
            instance.sop_instance_uid,
            instance.sop_class_uid,
            instance.transfer_syntax_uid,
            uids.study_instance_uid,
            uids.series_instance_uid,
            self._number,
            len(meta),
            instance.size,
        )
        self._growing = Growing(self._holding.path(piece), meta)
        return piece, self._growing

    def fail(self, error: HilumError) -> None:
        """No more of it comes."""
        if self._piece is not None and not self._piece.whole:
            self._piece.error = error
            self._holding.tell()

    async def close(self) -> None:
        """Leave no file open; and none that nobody can read, where others may read this one."""
        growing = self._growing
        if growing is None or (self._piece is not None and self._piece.whole):
            return
        growing.close()
        if self._piece is None:
            await self._threads.run(growing.discard)


def _appended(growing: Growing, chunks: Sequence[bytes], last: bool) -> None:  # noqa: FBT001 - run in a thread
    growing.append(chunks, last=last)


def _uids(data: bytes, transfer_syntax_uid: str, *, complete: bool) -> Identifiers:
    """What the data set says of itself; nothing where it cannot be read."""
    try:
        found = look(data, transfer_syntax_uid, study=True, complete=complete)
    except BadDataset:
        found = None
    return found or Identifiers("", "", "")
