"""Which retrievals can be given again? All that are known, by what they are of."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from hilum.backends.cache.entries import Packed
from hilum.backends.cache.holding import Holding
from hilum.backends.cache.share import Share, whole
from hilum.backends.cache.wish import Key, Wish, key_of, plain
from hilum.model.errors import Incomplete
from hilum.model.identity import Ref

LINGER: Final = 60.0
"""Seconds after its last use that what was looked at piece by piece stays: a viewer asks for one
frame after another."""
MOST_LINGERING: Final = 2 * 1024**3
"""Bytes of all that stay like that; the one that was used last stays whatever its size."""


class Shelf:
    """All holdings that may be joined: those in the air, and those that stay for a while."""

    def __init__(self) -> None:
        self._by_key: dict[Key, Holding] = {}
        self._by_study: dict[tuple[str, str], dict[Holding, None]] = {}
        self._entries: dict[Holding, int] = {}
        self.packed = Packed()
        self.size = self.hits = self.misses = 0

    def __iter__(self) -> Iterator[Holding]:
        return iter(list(self._by_key.values()))

    def put(self, holding: Holding) -> None:
        """It may be joined from now on."""
        self._by_key[holding.key] = holding
        for place in _places(holding):
            self._by_study.setdefault(place, {})[holding] = None

    def numbers(self) -> Mapping[str, float]:
        """See `core.measures.Measures`."""
        return {
            "hilum_cache_bytes": self.size,
            "hilum_cache_entries": len(self._entries),
            "hilum_cache_hits": self.hits,
            "hilum_cache_misses": self.misses,
        }

    def keep(self, holding: Holding) -> None:
        """It is an entry of the cache, and counts."""
        holding.is_entry = True
        self._entries[holding] = holding.size
        self.size += self._entries[holding]

    def drop(self, holding: Holding) -> None:
        """Nobody may join it any more."""
        if self._by_key.get(holding.key) is holding:
            del self._by_key[holding.key]
        for place in _places(holding) & self._by_study.keys():
            self._by_study[place].pop(holding, None)
            if not self._by_study[place]:
                del self._by_study[place]
        self.size -= self._entries.pop(holding, 0)
        self.packed.forget(holding)

    def shares(self, refs: Sequence[Ref], whose: str) -> tuple[list[Share], list[Ref]]:
        """What is here or on its way of `refs`, and what of them is not, as it was asked for.

        Only what is theirs: see `Holding.whose`.
        """
        same = self._by_key.get((whose, key_of(refs)))
        if same is not None and is_good(same):
            self.packed.unpack(same)
            return [whole(same)], []
        found: dict[Holding, list[Ref]] = {}
        left: list[Ref] = []
        for ref in refs:
            holding = self._covering(plain(ref), whose)
            if holding is None:
                left.append(ref)
            else:
                found.setdefault(holding, []).append(plain(ref))
        return [Share(holding, Wish.of(refs)) for holding, refs in found.items()], left

    def _covering(self, ref: Ref, whose: str) -> Holding | None:
        near: Iterable[Holding] = self._by_study.get((whose, ref.study or ""), {})
        if ref.study is None:
            near = [each for each in self._by_key.values() if each.whose == whose]
        same = self._by_key.get((whose, frozenset({ref})))
        for holding in near if same is None else (same, *near):
            if is_good(holding):
                if ref.study is not None:  # or else all there are would be unpacked
                    self.packed.unpack(holding)
                if holding.covers(ref):
                    return holding
        return None

    def of(self, key: Key) -> Holding | None:
        """What is there of exactly these references, good or not."""
        return self._by_key.get(key)

    def overdue(self, now: float) -> list[Holding]:
        """What lingers that nobody has used for too long, or that is too much, the oldest first."""
        waiting = [each for each in self._by_key.values() if _only_lingers(each)]
        waiting.sort(key=lambda each: each.used, reverse=True)
        size, over = 0, []
        for place, each in enumerate(waiting):
            size += each.size
            if now - each.used > LINGER or (place and size > MOST_LINGERING):
                over.append(each)
        return over[::-1]

    def oldest(self) -> Holding | None:
        """The entry that was not used for the longest time; of those in use only if it must be."""
        if not self._entries:
            return None
        return min(self._entries, key=lambda each: (bool(each.uses), each.used))


def _places(holding: Holding) -> set[tuple[str, str]]:
    """Whose it is, with each of its studies."""
    return {(holding.whose, ref.study) for ref in holding.refs if ref.study is not None}


def _only_lingers(holding: Holding) -> bool:
    """Whether nobody uses it, nothing comes any more, and it is no entry."""
    unused = not holding.uses and holding.task is None
    return holding.lingers and unused and not holding.is_entry


def is_good(holding: Holding) -> bool:
    """Whether somebody new may join it."""
    if holding.doomed:
        return False
    if not holding.ended:
        return True
    if time.time() > holding.until:
        return False
    # What is here of an incomplete one is for the clients of its jobs, who know what is missing.
    return holding.error is None or (isinstance(holding.error, Incomplete) and bool(holding.jobs))
