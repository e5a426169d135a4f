"""What was learnt of instances that are lent: their headers, and where their frames lie."""

import asyncio
import logging
import mmap
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from hilum.codec import dicom_json
from hilum.codec.deflate import inflate
from hilum.core.backend import Lent
from hilum.imaging import read
from hilum.imaging.index import EncapsulatedIndex, Piece
from hilum.imaging.read import Looked
from hilum.model.errors import BackendFault, BadDataset, BadPixels, Vanished
from hilum.model.instance import CHUNK
from hilum.workshop import reading
from hilum.workshop.reading import FAULT

log = logging.getLogger(__name__)

MOST: Final = 12 * 1024 * 1024  # bytes of memory for what was learnt
_LEAST: Final = 2048  # bytes that even the smallest takes
_JSON: Final = 8  # times as much memory as its JSON takes a decoded data set
_FRAGMENT: Final = 12  # bytes that the place of a fragment takes: where it begins, how long it is

_Key = tuple[str, bool]


class Looks:
    """Looks into each instance once, however many ask; what was not used for long is forgotten."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._size = 0
        self._known: OrderedDict[_Key, tuple[Looked, int]] = OrderedDict()
        self._looking: dict[_Key, asyncio.Future[tuple[Looked, int]]] = {}

    async def look(self, lent: Lent, *, describe: bool = False) -> Looked:
        """The header of an instance.

        Args:
            lent: the instance.
            describe: its attributes are wanted too.

        Raises:
            BadPixels: what it says of its pixels makes no sense.
            BackendFault: its file cannot be read.
        """
        for key in ((lent.key, describe), (lent.key, True)):
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known[0]
        key = lent.key, describe
        looking = self._looking.get(key)
        if looking is None:
            loop = asyncio.get_running_loop()
            looking = loop.run_in_executor(None, _looked, lent, describe)
            self._looking[key] = looking
            looking.add_done_callback(lambda done: self._end(key, done))
        # Who goes away takes it from nobody; a thread ends by itself.
        looked, _ = await asyncio.shield(looking)
        return looked

    def _end(self, key: _Key, done: asyncio.Future[tuple[Looked, int]]) -> None:
        del self._looking[key]
        if done.cancelled() or done.exception() is not None:
            return
        looked, size = done.result()
        self._known[key] = looked, size
        self._size += size
        while self._size > self._most and len(self._known) > 1:
            _, (_, gone) = self._known.popitem(last=False)
            self._size -= gone

    @staticmethod
    async def read(lent: Lent, looked: Looked, pieces: Sequence[Piece]) -> bytes:
        """Some bytes of an instance, in one.

        Args:
            lent: the instance.
            looked: its header.
            pieces: where they are, as its index says: one soon behind the other.

        Raises:
            BackendFault: its file cannot be read.
        """
        if not pieces:  # of an empty fragment
            return b""
        try:
            if looked.inflated:
                return await asyncio.get_running_loop().run_in_executor(
                    None, _inflated, lent, pieces
                )
            start, end = pieces[0][0], sum(pieces[-1])
            data = await reading.read(lent.path, lent.offset + start, end - start)
        except FileNotFoundError as error:
            raise Vanished(FAULT) from error
        except OSError as error:
            log.exception("%s cannot be read", lent.path)
            raise BackendFault(FAULT) from error
        if len(pieces) == 1:
            return data
        return b"".join(data[at - start : at - start + length] for at, length in pieces)

    @staticmethod
    async def chunks(
        lent: Lent, looked: Looked, pieces: Sequence[Piece]
    ) -> AsyncGenerator[bytes, None]:
        """The same, a MiB at a time."""
        for at, length in pieces:
            for start in range(at, at + length, CHUNK):
                part = (start, min(CHUNK, at + length - start))
                yield await Looks.read(lent, looked, [part])


def _looked(lent: Lent, describe: bool) -> tuple[Looked, int]:  # noqa: FBT001 - run in a thread
    """The header, and the memory that it takes; blocks."""
    try:
        with (
            open(lent.path, "rb") as file,  # noqa: PTH123 - the path is text
            mmap.mmap(file.fileno(), lent.offset + lent.size, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as whole,
            whole[lent.offset : lent.offset + lent.size] as data,
        ):
            looked = read.look(data, lent.transfer_syntax_uid, describe=describe)
    except BadDataset as error:
        raise BadPixels("the data set cannot be read") from error
    except FileNotFoundError as error:
        raise Vanished(FAULT) from error
    except (OSError, ValueError) as error:  # ValueError: it is empty, or shorter
        log.exception("%s cannot be looked into", lent.path)
        raise BackendFault(FAULT) from error
    return looked, _size(looked)


def _size(looked: Looked) -> int:
    size = _LEAST
    if isinstance(looked.index, EncapsulatedIndex):
        size += _FRAGMENT * len(looked.index.starts) + 4 * looked.index.frames
    if looked.attributes is not None:
        size += _JSON * len(dicom_json.dumps(looked.attributes))
    return size


def _inflated(lent: Lent, pieces: Sequence[Piece]) -> bytes:
    """Bytes of a data set that is deflated; blocks.

    Raises:
        OSError: it cannot be read, or is shorter.
    """
    data, _ = inflate(reading.waited_for(lent.path, lent.offset, lent.size))
    found = b"".join(data[at : at + length] for at, length in pieces)
    if len(found) != sum(length for _, length in pieces):
        raise OSError("the data set is shorter than it was")
    return found
