"""What the core asks of a backend. One small protocol per operation.

A backend implements those it can; `None` in a mount means "not offered here". Every method raises
only `hilum.model.errors.HilumError`, or is cancelled. Whoever opens a stream closes it: streams are
given by async context managers, and leaving the block frees what is behind them in the same task.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from hilum.codec.dicom_json import Attributes
from hilum.core.operations import Originator
from hilum.model.errors import HilumError
from hilum.model.identity import Level, Ref
from hilum.model.instance import Instance, Listed
from hilum.model.match import Match
from hilum.model.outcome import Progress, Stored
from hilum.model.query import Path, Query


class Echoes(Protocol):
    """Can say whether it lives: C-ECHO (PS3.4 Annex A), `GET /health`, a look at the disk."""

    async def echo(self) -> None:
        """Return when alive.

        Raises:
            BackendError: it is not.
        """


class Found(AsyncIterator[Match]):
    """The matches of a query, as they come.

    Attributes:
        warnings: in what the answer is not what was asked for, free of patient data: a key that
            was not honoured, an answer cut short. Complete after the last match.
        given: how many were, so far.
        unmatched: matching keys that the far side may not have honoured, and nobody else could;
            those of a match are there when it is given.
    """

    def __init__(
        self,
        matches: AsyncIterator[Match],
        warnings: list[str] | None = None,
        unmatched: set[Path] | None = None,
    ) -> None:
        self._matches = matches
        self.warnings = [] if warnings is None else warnings
        self.unmatched: set[Path] = set() if unmatched is None else unmatched
        self.given = 0

    async def __anext__(self) -> Match:
        """The next one.

        Raises:
            BadQuery, BackendError: the search fails here.
        """
        match = await anext(self._matches)
        self.given += 1
        return match


class Finds(Protocol):
    """Can search: QIDO-RS (PS3.18 §10.6), C-FIND (PS3.4 §C.4.1), SQL, FHIR search."""

    def find(self, query: Query, /) -> AbstractAsyncContextManager[Found]:
        """The matches as they come, already limited, in a stable order.

        Raises:
            BadQuery: a key cannot be honoured; on the first or any later match.
        """


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a far side can answer of itself.

    Attributes:
        levels: at which it can be asked.
        relational: the unique keys above the level may be left out (PS3.4 §C.4.1.3).
        is_sure: whatever is asked; what is refused all the same is not put another way.
    """

    levels: frozenset[Level]
    relational: bool
    is_sure: bool = False


class Replies(Protocol):
    """The answers to one question, in the DICOM JSON Model, as they come.

    Attributes:
        keys_ignored: it said that it did not honour a key (status FF01), or it never says.
        is_fuzzy: names are matched fuzzily, as it was asked for, or it never says.
        unreadable: answers so far that could not be read, and are not among these.
        is_cut: so many came so far that it may leave out others.
    """

    keys_ignored: bool
    is_fuzzy: bool
    unreadable: int
    is_cut: bool

    def __aiter__(self) -> AsyncIterator[Attributes]: ...

    async def __anext__(self) -> Attributes:
        """The next one.

        Raises:
            BadQuery, NotOffered, Forbidden, OutOfResources, BackendError: the far side failed.
        """


class Asks(Protocol):
    """Can put one question to a far side as it is; `core.adapt` makes a `Finds` of it."""

    async def abilities(self) -> Abilities:
        """What can be asked; may ask the far side for it once.

        Raises:
            BackendError: it cannot be reached.
        """

    def ask(self, query: Query, /) -> AbstractAsyncContextManager[Replies]:
        """Ask; nothing is filtered, and `limit` and `offset` are not looked at.

        The attributes asked for are `query.match`, `query.include` and the level's defaults
        (PS3.18 Tables 10.6.3-3 to 10.6.3-5). Leaving the block stops the far side.

        Raises:
            BadQuery, NotOffered, Forbidden, OutOfResources, BackendError: on entering, on the
                first or any later answer.
        """

    def told(self, query: Query, /) -> Sequence[str]:
        """What `ask` will send, one line for each key or URL, for people to read."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a retrieve gives: what will come, and the instances as they come.

    Attributes:
        manifest: every instance that will come, or None where
            the source does not know.
        instances: each must be read, or left, before the next is asked for. One that cannot be
            read raises from its `chunks`; those after it can still be had. Where there is a
            manifest, its instances come, in any order where they come from afar; when not all
            did, the end is an `Incomplete` that names the others.
        count: how many will come, where there is no manifest and the source tells it.
    """

    manifest: Sequence[Listed] | None
    instances: AsyncIterator[Instance]
    count: int | None = None


class Retrieves(Protocol):
    """Can give instances: WADO-RS (PS3.18 §10.4), C-GET/C-MOVE (PS3.4 §C.4.2-3), files."""

    def retrieve(self, refs: Sequence[Ref], /) -> AbstractAsyncContextManager[Retrieval]:
        """The instances below all `refs`, each once; an empty manifest when there are none."""


@dataclass(frozen=True, slots=True)
class BulkData:
    """One value that metadata left out.

    Attributes:
        transfer_syntax_uid: how the instance is encoded; a native value is given little endian.
        size: bytes; None for an encapsulated one whose length nobody knows before its end.
        encapsulated: `chunks` are the concatenated items of an encapsulated Pixel Data
            element, with their item tags (PS3.5 §A.4), not a plain value.
        key: names these very bytes, in every process and after a restart; None: nobody knows.
        part: gives some of them only, by their offset and length, instead of `chunks`; None: it
            takes as long as to read all.
    """

    transfer_syntax_uid: str
    size: int | None
    chunks: AsyncIterator[bytes]
    encapsulated: bool = False
    key: str | None = None
    part: Callable[[int, int], AsyncIterator[bytes]] | None = None


class Describes(Protocol):
    """Can give metadata without moving pixels (PS3.18 §10.4.1.1.2)."""

    def describe(
        self, ref: Ref, bulk_root: str, /
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """One DICOM JSON object (UTF-8) per instance below `ref`.

        Args:
            ref: what to describe.
            bulk_root: base URL of the mount; BulkDataURI is
                `{bulk_root}/studies/{s}/series/{e}/instances/{i}/bulkdata/{path}`, path being
                tags in hexadecimal with 0-based item numbers between: `00880200/0/7FE00010`.
        """

    def bulk(self, ref: Ref, path: Path, /) -> AbstractAsyncContextManager[BulkData]:
        """The value at `path` of one instance: tag, item number, tag and so on.

        Raises:
            NotFound: no such instance or value.
        """


class Versions(Protocol):
    """Can say whether metadata are still the same, without making them."""

    async def version(self, ref: Ref, /) -> str | None:
        """Names what `Describes.describe` gives of `ref`; None when there is nothing.

        It is another one whenever that is another, and the same as long as that is: in every
        process, and after a restart.
        """


class Changes(Protocol):
    """Can say when studies were changed last."""

    async def changed(self, studies: Sequence[str], /) -> Mapping[str, float]:
        """When the last instance came to each, in seconds since the epoch, to a second or two.

        Args:
            studies: Study Instance UIDs; those that are not there are left out.
        """


@dataclass(frozen=True, slots=True)
class Lent:
    """An instance that lies in a file on this machine, to be read at any place.

    Attributes:
        path: of the file; nobody but the backend may change or remove it.
        offset: bytes before the data set in the file.
        size: bytes in the data set.
        key: names these very bytes for as long as this process runs; what was learnt of them may
            be kept under it.
    """

    path: str
    offset: int
    size: int
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    key: str


class Lends(Protocol):
    """Can lend an instance as a file here, so that a frame can be read without the others."""

    def lend(self, ref: Ref, /) -> AbstractAsyncContextManager[Lent]:
        """The one instance of `ref`; its file stays as long as the block, and is whole.

        Raises:
            NotFound: there is no such instance.
            OutOfResources, BackendError: it cannot be brought here.
        """


class Transcodes(Protocol):
    """Can take the pixels of an instance from one Transfer Syntax to another."""

    def possible(self, source_ts: str, target_ts: str, /) -> bool:
        """Whether that can be done with the codecs at hand, and without loss."""

    def transcoded(
        self, instance: Instance, target_ts: str, /, *, or_as_it_is: bool = False
    ) -> AbstractAsyncContextManager[Instance]:
        """The same instance in another Transfer Syntax; reads `instance.chunks` on entering.

        Args:
            instance: only its pixels change, and what tells how they are written.
            target_ts: the syntax that it gets.
            or_as_it_is: where that cannot be, give it in its own syntax, and raise only what
                reading the source raises.

        Raises:
            BadPixels: they cannot be decoded.
            NotAcceptable: not these pixels in that syntax.
            OutOfResources: there is no room, or no time.
            HilumError: what reading the source raises.
        """


class StoreSession(Protocol):
    """An open way in, for one instance after another."""

    async def store(self, instance: Instance, /) -> Stored:
        """Take one instance; returns once it is kept durably, or is not (`Stored.failure`).

        Raises only what reading `instance.chunks` raises, or is cancelled; then nothing is kept.
        A session is used by one task at a time, or by `Mount.stores_at_once`.
        """


class Stores(Protocol):
    """Can keep instances: STOW-RS (PS3.18 §10.5), C-STORE (PS3.4 Annex B), files."""

    def open(
        self,
        contexts: Sequence[tuple[str, str]] = (),
        originator: Originator | None = None,
        /,
    ) -> AbstractAsyncContextManager[StoreSession]:
        """A session.

        Args:
            contexts: (SOP Class UID, Transfer Syntax UID) of what will come, where known.
            originator: who asked for the move, where it is one.

        Raises:
            BackendError: the far side cannot be reached or refuses, on entering.
        """


class Deletes(Protocol):
    """Can delete what it keeps, for good."""

    async def delete(self, ref: Ref, /) -> int:
        """Delete what is at and below `ref`: all of it or, where it fails, nothing.

        Returns:
            How many instances are gone, durably.

        Raises:
            NotFound: there is nothing.
            OutOfResources, BackendError: it cannot be deleted.
        """


class Sends(Protocol):
    """Can itself send what it holds elsewhere: C-MOVE (PS3.4 §C.4.2), Send (Supplement 248)."""

    def send(
        self, refs: Sequence[Ref], destination: str, originator: Originator | None = None, /
    ) -> AbstractAsyncContextManager[AsyncIterator[Progress]]:
        """The progress, as it is told; leaving the block stops the far side.

        Raises:
            UnknownDestination: it does not know `destination`; at first, and nothing was sent.
            BackendError: it fails.
        """


@dataclass(slots=True)
class Fetching:
    """How far a retrieval is that runs in the background.

    Attributes:
        id: its name.
        expected: how many instances there are, where that is known.
        arrived: how many are here.
        missing: SOP Instance UIDs of those that did not come, once it has ended.
        ended: nothing more comes.
        error: why it failed as a whole, where it did.
        attempts: how often it was begun.
        announced: a client was told to come again for it.
        told: a client was told why it failed; who asks then begins anew.
    """

    id: str
    refs: tuple[Ref, ...]
    expected: int | None = None
    arrived: int = 0
    missing: tuple[str, ...] = ()
    ended: bool = False
    error: HilumError | None = None
    attempts: int = 1
    announced: bool = False
    told: bool = False


class Fetches(Protocol):
    """Can bring instances here in the background, so that a client may come again for them."""

    def fetch(self, refs: Sequence[Ref], /) -> Fetching:
        """Begin, or join what is under way or here already; does not wait."""

    def fetching(self, name: str, /) -> Fetching:
        """The retrieval of that name.

        Raises:
            NotFound: there is none, or it was forgotten.
        """

    def stop(self, name: str, /) -> None:
        """Give it up.

        Raises:
            NotFound: as above.
        """
