"""Which instances are in the answer to a retrieval? One after another, as they come."""

from collections.abc import AsyncIterator

from hilum.backends.dicomweb.events import Events
from hilum.codec.media_type import DICOM, OCTETS
from hilum.codec.multipart import PartData, PartEnded, PartStarted
from hilum.codec.part10 import Head
from hilum.model.errors import BackendError, BackendFault, BadDataset
from hilum.model.identity import is_uid
from hilum.model.instance import CHUNK, Instance
from hilum.net.answer import Answer
from hilum.net.beginning import head_of, identifiers_of


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
        try:
            head = await head_of(data)
        except BadDataset:
            return None
        # Where the file's head and its data set name different things, the data set is right.
        uids = await _identifiers(data, head)
        if not is_uid(uids[1]):
            return None
        size = None if part.size is None else part.size - head.offset
        if size is not None:
            data.expects(size)
        return Instance(
            sop_instance_uid=uids[1],
            sop_class_uid=uids[0],
            transfer_syntax_uid=head.transfer_syntax_uid,
            chunks=data,
            size=size,
        )


class _Data:
    """The bytes of one part: an iterator over the rest of it."""

    def __init__(self, events: Events, who: str) -> None:
        self._events = events
        self._who = who
        self._returned: list[bytes] = []
        self._expected: int | None = None
        self._given = 0
        self.ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await self.read()
        if not piece:
            if self._expected is not None and self._given != self._expected:
                raise BackendFault(f"{self._who} sent another length than it announced")
            raise StopAsyncIteration
        if len(piece) > CHUNK:
            self._returned.append(piece[CHUNK:])
            piece = piece[:CHUNK]
        self._given += len(piece)
        return piece

    def expects(self, size: int) -> None:
        """Say how many bytes must still come."""
        self._expected = size

    async def read(self) -> bytes:
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

    def unread(self, data: bytes) -> None:
        """Give bytes back, to be read next."""
        if data:
            self._returned.append(data)


async def _identifiers(data: _Data, head: Head) -> tuple[str, str]:
    """SOP Class and Instance UID as the data set has them, or else its head; it is left."""
    try:
        found = await identifiers_of(data, head.transfer_syntax_uid, study=False)
    except BadDataset:
        found = None
    if found is None:
        return head.sop_class_uid, head.sop_instance_uid
    return (
        found.sop_class_uid or head.sop_class_uid,
        found.sop_instance_uid or head.sop_instance_uid,
    )
