"""Which instances are in the answer to a retrieval? One after another, as they come."""

from collections.abc import AsyncIterator
from typing import Final

from hilum.backends.dicomweb.events import Events
from hilum.codec.identifiers import Identifiers
from hilum.codec.media_type import DICOM, OCTETS
from hilum.codec.multipart import PartData, PartEnded, PartStarted
from hilum.codec.part10 import Head
from hilum.model.errors import BackendError, BackendFault, BadDataset
from hilum.model.identity import is_uid
from hilum.model.instance import CHUNK, Instance, Piece
from hilum.net.answer import Answer
from hilum.net.beginning import at_once, head_of, identifiers_of

_FEW: Final = 64 * 1024  # bytes at the beginning of a part, which wait for what comes behind them


class Parts:
    """The instances of one answer, a multipart or an instance alone.

    Attributes:
        ended: the answer was read to its end, and was whole.
        unreadable: parts that are no instances.
    """

    def __init__(self, answer: Answer, who: str) -> None:
        """Read an answer of status 200 or 206.

        Raises:
            BackendFault: it is neither.
        """
        self._events = Events(answer, who, believes=True)
        self._who = who
        self._current: _Data | None = None
        self.ended = False
        self.unreadable = 0
        kind = self._events.kind.kind
        if not self._events.related and kind not in {DICOM, OCTETS, ""}:
            raise BackendFault(f"{who} did not answer with instances but with {kind[:60]}")

    @property
    def broken(self) -> BackendError | None:
        """Why the answer ended early, where it did; what came before is good."""
        return self._events.broken

    async def next(self) -> Instance | None:
        """The next instance; None at the end, or where it broke off: see `broken`.

        What is left of the one before is skipped.
        """
        try:
            while True:
                if self._current is not None:
                    await self._current.skip()
                    self._current = None
                event = await self._events.next()
                if event is None:
                    self.ended = True
                    return None
                if isinstance(event, PartStarted):
                    instance = await self._instance(event)
                    if instance is not None:
                        return instance
                    self.unreadable += 1
        except BackendError:
            return None

    async def _instance(self, part: PartStarted) -> Instance | None:
        """The instance of a part; None where it is none.

        Raises:
            BackendError: the answer broke off within its beginning.
        """
        data = self._current = _Data(self._events, self._who)
        piece = await data.read()
        told = at_once(piece)
        if told is None:
            data.unread(piece)
            try:
                head = await head_of(data)
            except BadDataset:
                return None
            found = await _identifiers(data, head)
        else:
            head, found = told
            data.unread(piece[head.offset :])
        # Where the file's head and its data set name different things, the data set is right.
        sop_class_uid = (found and found.sop_class_uid) or head.sop_class_uid
        sop_instance_uid = (found and found.sop_instance_uid) or head.sop_instance_uid
        if not is_uid(sop_instance_uid):
            return None
        size = None if part.size is None else part.size - head.offset
        if size is not None:
            data.expects(size)
        return Instance(
            sop_instance_uid=sop_instance_uid,
            sop_class_uid=sop_class_uid,
            transfer_syntax_uid=head.transfer_syntax_uid,
            chunks=data,
            size=size,
        )


class _Data(AsyncIterator[bytes]):
    """The bytes of one part: an iterator over the rest of it."""

    def __init__(self, events: Events, who: str) -> None:
        self._events = events
        self._who = who
        self._returned: list[Piece] = []
        self._expected: int | None = None
        self._given = 0
        self.ended = False

    async def __anext__(self) -> bytes:
        piece = await self.read()
        if not piece:
            self._check()
            raise StopAsyncIteration
        if len(piece) > CHUNK:
            self._returned.append(piece[CHUNK:])
            piece = piece[:CHUNK]
        self._given += len(piece)
        return bytes(piece)

    async def several(self, _enough: int) -> list[Piece]:
        """What came together; see `model.instance.gathering`."""
        pieces = self._returned[::-1]
        self._returned.clear()
        if sum(map(len, pieces)) < _FEW and (more := await self.read()):
            pieces.append(more)
        if not pieces:
            self._check()
        self._given += sum(map(len, pieces))
        return pieces

    def _check(self) -> None:
        if self._expected is not None and self._given != self._expected:
            raise BackendFault(f"{self._who} sent another length than it announced")

    def expects(self, size: int) -> None:
        """Say how many bytes must still come."""
        self._expected = size

    async def read(self) -> Piece:
        """Some more; b"" at the end of the part.

        Raises:
            BackendError: the answer broke off.
        """
        if self._returned:
            return self._returned.pop()
        if self.ended:
            if self._events.broken is not None:
                raise self._events.broken
            return b""
        try:
            event = await self._events.next()
        except BackendError:
            self.ended = True
            raise
        if isinstance(event, PartData):
            return event.data
        self.ended = event is None or isinstance(event, PartEnded)
        return b""

    async def skip(self) -> None:
        """Read the rest and forget it."""
        self._returned.clear()
        while not self.ended:
            await self.read()

    def unread(self, data: Piece) -> None:
        """Give bytes back, to be read next."""
        if data:
            self._returned.append(data)


async def _identifiers(data: _Data, head: Head) -> Identifiers | None:
    """The UIDs as the data set has them, which is left; None where it has none."""
    try:
        return await identifiers_of(data, head.transfer_syntax_uid, study=False)
    except BadDataset:
        return None
