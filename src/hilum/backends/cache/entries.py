"""How an entry of the cache is written down, and read again after a restart."""

import time
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from sys import intern
from typing import Any, Final

import orjson

from hilum.backends.cache.files import ENTRY
from hilum.backends.cache.holding import Holding, Piece
from hilum.model.identity import Ref

_VERSION: Final = 1
_UNPACKED: Final = 32  # entries that nobody uses whose instances stay known in memory


def written(holding: Holding, retrieved: float) -> bytes:
    """What `ENTRY` holds: references, instances, and when they were retrieved."""
    return orjson.dumps(
        {
            "version": _VERSION,
            "retrieved": retrieved,
            "whose": holding.whose,
            "refs": [[ref.study, ref.series, ref.instance] for ref in holding.refs],
            "instances": [
                [
                    *(piece.sop_instance_uid, piece.sop_class_uid, piece.transfer_syntax_uid),
                    *(piece.study_instance_uid, piece.series_instance_uid),
                    *(piece.number, piece.offset, piece.written),
                ]
                for piece in holding.here.values()
            ],
        }
    )


def read(folder: Path, max_age: float | None) -> Holding:
    """The entry in a folder, whose files are as long as they should be; blocks.

    Raises:
        OSError, ValueError, KeyError, TypeError: it is none, or broken.
    """
    path = folder / ENTRY
    said: dict[str, Any] = orjson.loads(path.read_bytes())
    if said["version"] != _VERSION:
        raise ValueError("written by another version")
    holding = Holding([Ref(*uids) for uids in said["refs"]], folder, said.get("whose", ""))
    _fill(holding, said["instances"])
    for piece in holding.pieces:
        if holding.path(piece).stat().st_size != piece.offset + piece.written:
            raise ValueError("a file has not its length")
    holding.end(None, until_of(said["retrieved"], max_age))
    holding.used = path.stat().st_mtime
    holding.is_entry = True
    return holding


def until_of(retrieved: float, max_age: float | None) -> float:
    """Until when what was retrieved then may be given."""
    return float("inf") if max_age is None else retrieved + max_age


def _fill(holding: Holding, instances: Iterable[list[Any]]) -> None:
    for uid, kind, syntax, study, series, number, offset, size in instances:
        uids = (uid, intern(kind), intern(syntax), intern(study), intern(series))
        piece = Piece(*uids, number, offset, size, size, whole=True)
        holding.pieces.append(piece)
        holding.here[uid] = piece


class Packed:
    """Keeps the instances of entries that nobody uses small in memory: a cache may hold millions.

    Those used last stay as they are, for a viewer asks for one instance after another.
    """

    def __init__(self) -> None:
        self._packed: dict[Holding, bytes] = {}
        self._recent: OrderedDict[Holding, None] = OrderedDict()

    def put(self, holding: Holding) -> None:
        """Nobody uses it any more."""
        if holding not in self._packed:
            self._packed[holding] = zlib.compress(written(holding, 0.0), 1)
        self._recent[holding] = None
        self._recent.move_to_end(holding)
        if len(self._recent) > _UNPACKED:
            oldest, _ = self._recent.popitem(last=False)
            if not oldest.uses:
                oldest.pieces.clear()
                oldest.here.clear()

    def unpack(self, holding: Holding) -> None:
        """Somebody looks at it."""
        if holding in self._packed and not holding.pieces:
            said = orjson.loads(zlib.decompress(self._packed[holding]))
            _fill(holding, said["instances"])
        if holding in self._packed:
            self.put(holding)

    def forget(self, holding: Holding) -> None:
        """It is no entry any more."""
        self._packed.pop(holding, None)
        self._recent.pop(holding, None)


def is_old(holding: Holding) -> bool:
    """Whether it may not be given again."""
    return time.time() > holding.until
