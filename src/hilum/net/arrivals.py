"""How does a reader get what comes to us by C-STOREs? One retrieval, in memory and on disk.

The peers that send are never kept waiting for the reader: what it has not read yet stays in
memory up to `HIGH` bytes, and its share of what all may hold, and goes to disk beyond that.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hilum.core.budget import Share
from hilum.model.errors import BackendTimeout, BackendUnavailable, HilumError, OutOfResources
from hilum.model.instance import CHUNK, Instance
from hilum.model.outcome import Stored
from hilum.net.spill import Place, Spill

HIGH = 8 * 1024 * 1024  # bytes that wait in memory, of all instances of one retrieval


@dataclass(slots=True)
class _Piece:
    data: bytes | None
    place: Place | None = None
    taken: bool = False


class Arrival(AsyncIterator[bytes]):
    """One instance, from its first byte here to its last one read; iterate for the data set."""

    def __init__(self, box: "Arrivals", instance: Instance) -> None:
        self._box = box
        self._pieces: deque[_Piece] = deque()
        self._gathered: list[bytes] = []  # what is too much for memory, until it is worth a write
        self._gathered_size = 0
        self._waiter: asyncio.Future[None] | None = None
        self.instance = instance
        self.size = 0  # bytes here
        self.begun = False  # its reader has it
        self.whole = False
        self.left = False
        self.error: HilumError | None = None

    async def put(self, chunk: bytes) -> None:
        """Take in what came; nothing of it is kept where its reader has left this one.

        That the reader cannot use it is no fault of the peer, and many a PACS ends its C-MOVE at
        the first C-STORE that fails.

        Raises:
            OutOfResources: nobody waits for anything any more, or the disk is full.
        """
        if self._gathered and self._gathered_size + len(chunk) > CHUNK:
            await self._write()
        if self.left:
            if self.error is not None:
                raise OutOfResources("nobody waits for it any more")
            return
        self.size += len(chunk)
        self._gathered.append(chunk)
        self._gathered_size += len(chunk)
        if self._box.has_room(self._gathered_size):
            self._keep()

    async def close(self) -> None:
        """That was all of it."""
        if self._gathered and not self._box.has_room(self._gathered_size):
            await self._write()
        self._keep()
        self.whole = True
        self._wake()

    def fail(self, error: HilumError) -> None:
        """The rest will never come."""
        if not self.whole and self.error is None:
            self.error = error
            self._wake()

    def _keep(self) -> None:
        self._pieces += map(_Piece, self._gathered)
        self._box.share.take(self._gathered_size)
        self._gathered, self._gathered_size = [], 0
        self._wake()

    async def _write(self) -> None:
        """Put on disk what is gathered; until it is there, its reader may take it from here."""
        data = b"".join(self._gathered)
        self._gathered = [data]
        self._keep()
        piece = self._pieces[-1]
        place = await self._box.spill.write(data)
        if piece.taken:
            await self._box.spill.forget(place)
        else:
            self._box.share.give(len(data))
            piece.data, piece.place = None, place

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def __anext__(self) -> bytes:
        """The next piece.

        Raises:
            BackendUnavailable, BackendTimeout, OutOfResources: the rest does not come.
        """
        while not self._pieces:
            if self.error is not None:
                raise self.error
            if self.whole or self.left:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        piece = self._pieces.popleft()
        piece.taken = True
        if piece.data is not None:
            self._box.share.give(len(piece.data))
            return piece.data
        assert piece.place is not None  # noqa: S101 - either of the two is there
        return await self._box.spill.read(piece.place)

    async def leave(self) -> None:
        """Throw away what was not read of it."""
        self.left = True
        self._gathered, self._gathered_size = [], 0
        places = []
        while self._pieces:
            piece = self._pieces.popleft()
            piece.taken = True
            if piece.data is not None:
                self._box.share.give(len(piece.data))
            elif piece.place is not None:
                places.append(piece.place)
        self._wake()
        for place in places:
            await self._box.spill.forget(place)


class Arrivals(AsyncIterator[Instance]):
    """The instances of one retrieval, each once: stored by many tasks, read by one.

    Args:
        folder: for what does not fit into memory.

    Attributes:
        share: bytes that wait there now.
        whole: SOP Instance UIDs of those that are here from end to end.
        cut: of those that broke off when their reader had begun with them.
        heard: called with every sign of life.
        came: called with the SOP Instance UID of each that is here, or was cut off while it was
            read; with that of one that came before, too.
        last: when the last one was, in the time of the event loop.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.spill = Spill(folder)
        self.share = Share()
        self.whole: set[str] = set()
        self.cut: set[str] = set()
        self.heard: Callable[[], None] | None = None
        self.came: Callable[[str], None] | None = None
        self.last = 0.0
        self._known: dict[str, Arrival] = {}
        self._queue: deque[Arrival] = deque()
        self._current: Arrival | None = None
        self._ended = False
        self._error: HilumError | None = None
        self._waiters: set[asyncio.Future[None]] = set()

    def __contains__(self, uid: str) -> bool:
        """Whether it is here, or on its way in, or was cut off while it was read."""
        return uid in self._known

    @property
    def arriving(self) -> bool:
        """Whether one is on its way in."""
        return any(True for _ in self._open())

    def _open(self) -> Iterator[Arrival]:
        return (each for each in self._known.values() if not each.whole and each.error is None)

    async def store(self, instance: Instance, /) -> Stored:
        """Take one in; returns when all of it is here.

        Raises:
            OutOfResources: its reader is gone, or the disk is full.
            HilumError: it breaks off.
        """
        uid = instance.sop_instance_uid
        if self._ended:
            raise OutOfResources("nobody waits for it any more")
        earlier = self._known.get(uid)
        if earlier is not None:
            return await self._again(earlier, instance)
        arrival = Arrival(self, instance)
        self._known[uid] = arrival
        self._queue.append(arrival)
        self._changed()
        try:
            async for chunk in instance.chunks:
                self._sign()
                await arrival.put(chunk)
            await arrival.close()
        except HilumError as error:
            await self._broken(arrival, error)
            raise
        except BaseException:
            lost = BackendUnavailable("the association ended in the middle of an instance")
            await self._broken(arrival, lost)
            raise
        self.whole.add(uid)
        self._tell(uid)
        return _stored(instance)

    async def _again(self, earlier: Arrival, instance: Instance) -> Stored:
        """One that came before is not given again, and answered as it was then."""
        async for _ in instance.chunks:
            self._sign()
        if not earlier.whole:
            raise OutOfResources("it is on its way in already, or broke off while it was read")
        self._tell(instance.sop_instance_uid)
        return _stored(instance)

    async def _broken(self, arrival: Arrival, error: HilumError) -> None:
        uid = arrival.instance.sop_instance_uid
        arrival.fail(error)
        if arrival.begun:
            self.cut.add(uid)
            self._tell(uid)
        else:  # nobody has seen it, so it can be asked for again
            self._known.pop(uid, None)
            if arrival in self._queue:
                self._queue.remove(arrival)
            self._changed()
            await arrival.leave()

    async def __anext__(self) -> Instance:
        """The next one, those that are whole before those that still come in.

        Raises:
            HilumError: what `end` was told.
        """
        if self._current is not None:
            await self._current.leave()
            self._current = None
        while not self._queue:
            if self._error is not None:
                raise self._error
            if self._ended:
                raise StopAsyncIteration
            await self.change()
        arrival = next((each for each in self._queue if each.whole), self._queue[0])
        self._queue.remove(arrival)
        arrival.begun = True
        self._current = arrival
        described = arrival.instance
        return Instance(
            sop_instance_uid=described.sop_instance_uid,
            sop_class_uid=described.sop_class_uid,
            transfer_syntax_uid=described.transfer_syntax_uid,
            chunks=arrival,
            size=arrival.size if arrival.whole else None,
        )

    def end(self, error: HilumError | None = None) -> None:
        """Nothing more comes in; `error` is told behind what is here."""
        if not self._ended:
            self._ended, self._error = True, error
            for arrival in list(self._open()):
                arrival.fail(BackendTimeout("it did not come in time"))
                if not arrival.begun and arrival in self._queue:
                    self._queue.remove(arrival)
            self._changed()

    async def change(self) -> None:
        """Return when one came, was cut off, or nothing more comes."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    async def aclose(self) -> None:
        """Nobody reads any more: free everything at once."""
        self.end()
        for arrival in self._known.values():
            arrival.left = True
            arrival.fail(OutOfResources("nobody waits for it any more"))
        self._queue.clear()
        self.share.close()
        await self.spill.aclose()

    def has_room(self, count: int) -> bool:
        """Whether so many more bytes may wait in memory."""
        return self.share.held + count <= HIGH and count <= self.share.room

    def _tell(self, uid: str) -> None:
        if self.came is not None:
            self.came(uid)
        self._changed()

    def _sign(self) -> None:
        self.last = asyncio.get_running_loop().time()
        if self.heard is not None:
            self.heard()

    def _changed(self) -> None:
        self._sign()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


def _stored(instance: Instance) -> Stored:
    return Stored(sop_class_uid=instance.sop_class_uid, sop_instance_uid=instance.sop_instance_uid)
