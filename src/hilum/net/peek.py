"""Does an instance that streams by belong to what was asked for? Its first bytes tell."""

from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from hilum.codec import identifiers
from hilum.codec.identifier import PATIENT_ID, UNIQUE_KEYS
from hilum.model.errors import BadDataset
from hilum.model.identity import Level
from hilum.model.instance import Instance
from hilum.model.query import Path

_MOST: Final = 256 * 1024  # bytes that are looked at
_STUDY, _SERIES = UNIQUE_KEYS[Level.STUDY], UNIQUE_KEYS[Level.SERIES]


@dataclass(frozen=True, slots=True)
class Below:
    """What was asked for.

    Attributes:
        wanted: tag of a unique key -> the values of it that were asked for.
    """

    wanted: Mapping[int, frozenset[str]]

    @classmethod
    def of(cls, keys: Mapping[Path, str]) -> "Below":
        """Those of a C-GET's or C-MOVE's identifier: path -> value, lists parted by backslashes."""
        tags = {each: keys.get((each,), "") for each in UNIQUE_KEYS.values()}
        return cls({tag: frozenset(value.split("\\")) for tag, value in tags.items() if value})

    @property
    def is_telling(self) -> bool:
        """Whether it names more than a patient, whose ID a peer may write in another way."""
        return any(tag != PATIENT_ID for tag in self.wanted)

    def holds(self, uid: str) -> bool:
        """Whether an instance of that UID can be meant at all."""
        instances = self.wanted.get(UNIQUE_KEYS[Level.IMAGE])
        return instances is None or uid in instances

    def has(self, found: Mapping[int, str]) -> bool:
        """Whether a data set with these values is among it; what it lacks is not held against it.

        A patient's ID counts only where nothing else was named.
        """
        tags = (_STUDY, _SERIES) if self.is_telling else (PATIENT_ID,)
        return all(
            found[tag] in self.wanted[tag] for tag in tags if tag in self.wanted and found[tag]
        )


async def look(instance: Instance) -> tuple[Mapping[int, str] | None, Instance]:
    """Patient ID, Study and Series Instance UID by tag, and the instance, to be read as before.

    None where its first 256 KiB do not tell.

    Raises:
        HilumError: it breaks off.
    """
    head: list[bytes] = []
    size = 0
    found = None
    complete = False
    syntax = instance.transfer_syntax_uid
    while found is None and size < _MOST and not complete:
        chunk = await anext(instance.chunks, None)
        complete = chunk is None
        if chunk is not None:
            head.append(chunk)
            size += len(chunk)
        try:
            tags = (PATIENT_ID, _STUDY, _SERIES)
            found = identifiers.values(b"".join(head), syntax, tags, complete=complete)
        except BadDataset:
            break
    return found, replace(instance, chunks=_Resumed(head, instance.chunks))


class _Resumed(AsyncIterator[bytes]):
    """What was looked at, and what comes behind it."""

    def __init__(self, head: Iterable[bytes], rest: AsyncIterator[bytes]) -> None:
        self._head = deque(head)
        self._rest = rest

    async def __anext__(self) -> bytes:
        return self._head.popleft() if self._head else await anext(self._rest)
