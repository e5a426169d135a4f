"""What the core asks of a backend. One small protocol per operation.

A backend implements those it can; `None` in a mount means "not offered here".
Every method raises only `hilum.model.errors.HilumError`, or is cancelled.
Whoever opens a stream closes it: streams are given by async context managers, and leaving
the block frees the slot, task and file behind them at once, in the same task.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from hilum.core.operations import Originator
from hilum.model.identity import Ref
from hilum.model.instance import Instance, Listed
from hilum.model.match import Match
from hilum.model.outcome import Stored
from hilum.model.query import Path, Query


class Echoes(Protocol):
    """Can say whether it lives: C-ECHO (PS3.4 Annex A), `GET /health`, a look at the disk."""

    async def echo(self) -> None:
        """Return when alive.

        Raises:
            BackendError: it is not.
        """


class Finds(Protocol):
    """Can search: QIDO-RS (PS3.18 §10.6), C-FIND (PS3.4 §C.4.1), SQL, FHIR search."""

    def find(self, query: Query, /) -> AbstractAsyncContextManager[AsyncIterator[Match]]:
        """The matches as they come, already limited, in a stable order.

        Raises:
            BadQuery: a key cannot be honoured; on the first or any later match.
        """


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a retrieve gives: what will come, and the instances as they come.

    Attributes:
        manifest: every instance that will come, in the order of `instances`, or None where
            the source does not know.
        instances: each must be read, or left, before the next is asked for. One that cannot be
            read raises from its `chunks`; those after it can still be had. Where there is a
            manifest, exactly its instances come.
    """

    manifest: Sequence[Listed] | None
    instances: AsyncIterator[Instance]


class Retrieves(Protocol):
    """Can give instances: WADO-RS (PS3.18 §10.4), C-GET/C-MOVE (PS3.4 §C.4.2-3), files."""

    def retrieve(self, refs: Sequence[Ref], /) -> AbstractAsyncContextManager[Retrieval]:
        """The instances below all `refs`, each once; an empty manifest when there are none."""


@dataclass(frozen=True, slots=True)
class BulkData:
    """One value that metadata left out.

    Attributes:
        transfer_syntax_uid: how the instance is encoded; a native value is given little endian.
        encapsulated: `chunks` are the concatenated items of an encapsulated Pixel Data
            element, with their item tags (PS3.5 §A.4), not a plain value.
    """

    transfer_syntax_uid: str
    size: int
    chunks: AsyncIterator[bytes]
    encapsulated: bool = False


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


class StoreSession(Protocol):
    """An open way in, for one instance after another."""

    async def store(self, instance: Instance, /) -> Stored:
        """Take one instance; returns once it is kept durably, or is not (`Stored.failure`).

        Raises only what reading `instance.chunks` raises, or is cancelled; then nothing is kept.
        A session is used by one task at a time.
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
