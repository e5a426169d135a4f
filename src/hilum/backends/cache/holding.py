"""What has come of one retrieval so far? Files on disk, and those who wait for more of them."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hilum.backends.cache.wish import Wish, key_of, plain, within
from hilum.model.errors import HilumError
from hilum.model.identity import Ref
from hilum.model.instance import Listed


@dataclass(slots=True, eq=False)
class Piece:
    """One instance, on disk or on its way there.

    Attributes:
        study_instance_uid, series_instance_uid: as its data set says; "" where it does not.
        number: gives its file a name.
        offset: bytes before its data set in the file.
        size: bytes of its data set, where they are known.
        written: bytes of them that can be read.
        whole: all of them can.
        error: why no more come, where they do not.
    """

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    study_instance_uid: str
    series_instance_uid: str
    number: int
    offset: int
    size: int | None = None
    written: int = 0
    whole: bool = False
    error: HilumError | None = None

    def listed(self) -> Listed:
        """What can be said of it before it is read."""
        return Listed(
            self.sop_instance_uid,
            self.sop_class_uid,
            self.transfer_syntax_uid,
            self.size,
            self.study_instance_uid or None,
            self.series_instance_uid or None,
        )


class Holding:
    """The instances of one retrieval, growing or all there. Belongs to one event loop.

    Attributes:
        refs: what was asked for, without patients above studies.
        manifest: what will come, once `entered`; None where that is not known.
        pieces: in the order in which they came; a broken one may be followed by a better one.
        ended: nothing more comes; `error` says why not all did.
        attempts: how often the far side was asked.
        until: to whom it may be given again; seconds since 1970.
        uses: how many read it, wait for it, or work at it.
        jobs: how many of those are jobs, whose clients come again.
        task: what fills it, as long as it runs.
        is_entry: kept in the cache, also when nobody uses it.
        lingers: kept for a while when nobody uses it, for whoever looks at it piece by piece.
        goes_on: what is still to come is fetched when nobody waits for it, too.
        doomed: to go as soon as nobody uses it.
        used: last use, seconds since 1970.
    """

    def __init__(self, refs: Iterable[Ref], folder: Path) -> None:
        self.refs = tuple(dict.fromkeys(plain(ref) for ref in refs))
        self.key = key_of(self.refs)
        self.folder = folder
        self.manifest: Sequence[Listed] | None = None
        self.pieces: list[Piece] = []
        self.here: dict[str, Piece] = {}
        self.entered = False
        self.ended = False
        self.error: HilumError | None = None
        self.attempts = 0
        self.until = 0.0
        self.uses = 0
        self.jobs = 0
        self.task: asyncio.Task[None] | None = None
        self.is_entry = False
        self.lingers = False
        self.goes_on = False
        self.doomed = False
        self.used = time.time()
        self._changed = asyncio.Event()

    def path(self, piece: Piece) -> Path:
        """Where the file of a piece is."""
        return self.folder / f"{piece.number:06}.dcm"

    def enter(self, manifest: Sequence[Listed] | None) -> None:
        """The far side has begun to answer; what it lists the first time is the whole."""
        if self.manifest is None and manifest is not None:
            self.manifest = tuple(manifest)
        self.entered = True
        self.tell()

    def add(self, piece: Piece) -> None:
        """Readers may have it from now on."""
        self.pieces.append(piece)
        self.tell()

    def finish(self, piece: Piece) -> None:
        """All of it is here."""
        piece.size = piece.written
        piece.whole = True
        self.here[piece.sop_instance_uid] = piece
        self.tell()

    def end(self, error: HilumError | None, until: float = 0.0) -> None:
        """Nothing more comes."""
        self.entered = self.ended = True
        self.error = error
        self.until = until
        self.tell()

    def tell(self) -> None:
        """Wake those who wait."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def changed(self) -> None:
        """Return when there is more, or something else is new."""
        await self._changed.wait()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(piece.offset + piece.written for piece in self.pieces)

    def covers(self, ref: Ref) -> bool:
        """Whether who asks for `ref` gets here all there is of it.

        Where several things were asked for together, only the instances' own UIDs tell what
        belongs to which; that is believed of single instances, where study and series fit too.
        """
        if ref.instance is not None and ref.instance in self.here:
            kept = self.here[ref.instance]
            return ref in self.refs or (
                ref.study in {None, kept.study_instance_uid}
                and ref.series in {None, kept.series_instance_uid}
            )
        if not any(within(ref, parent) for parent in self.refs):
            return False
        if len(self.refs) > 1 and ref.instance is None:
            return False
        return not self.ended or ref in self.refs or self._has(Wish.of([ref]))

    def _has(self, wish: Wish) -> bool:
        """Whether anything of it is here: what came to the far side later is asked for there."""
        return any(
            wish.takes(piece.study_instance_uid, piece.series_instance_uid, uid)
            for uid, piece in self.here.items()
        )
