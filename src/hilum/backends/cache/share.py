"""What does one reader get of a retrieval? How much of it is here, and what is missing."""

from collections.abc import Container, Iterator, Sequence
from copy import copy
from dataclasses import dataclass

from hilum.backends.cache.holding import Holding, Piece
from hilum.backends.cache.wish import ALL, Wish
from hilum.model.errors import HilumError, Incomplete
from hilum.model.instance import Listed


@dataclass(frozen=True, slots=True)
class Share:
    """A reader's part of a holding."""

    holding: Holding
    wish: Wish

    def takes(self, piece: Piece) -> bool | None:
        """Whether a piece belongs to it; None: its data set does not say."""
        return self.wish.takes(
            piece.study_instance_uid, piece.series_instance_uid, piece.sop_instance_uid
        )

    def manifest(self) -> list[Listed] | None:
        """What will come, with all that is known of it by now; None where that is not known."""
        held = self.holding
        expected = self._expected()
        if expected is None and not held.ended:
            return None
        if expected is None:  # what may belong to it is missing from it
            missing = frozenset(self._missing(held.error))
            expected = [each for each in held.manifest or () if each.sop_instance_uid in missing]
        listed = {each.sop_instance_uid: each for each in expected}
        for uid, piece in held.here.items():
            if self.takes(piece):
                listed[uid] = piece.listed()
        return list(listed.values())

    def _expected(self) -> list[Listed] | None:
        """What the manifest says of it; None where it does not say enough."""
        manifest = self.holding.manifest
        if manifest is None:
            return None
        found: list[Listed] = []
        for each in manifest:
            taken = self._listed(each)
            if taken is None:
                return None
            if taken:
                found.append(each)
        return found

    def _listed(self, each: Listed) -> bool | None:
        if self.wish.named is not None:
            return each.sop_instance_uid in self.wish.instances
        kept = self.holding.here.get(each.sop_instance_uid)
        if kept is not None:
            return self.takes(kept)
        return self.wish.takes(
            each.study_instance_uid, each.series_instance_uid, each.sop_instance_uid
        )

    def last(self) -> frozenset[str] | None:
        """The SOP Instance UIDs after which no more will come; None: who knows."""
        expected = self._expected()
        if expected is None:
            return self.wish.named
        return frozenset(each.sop_instance_uid for each in expected)

    def arrived(self) -> int:
        """How many of it are here."""
        return sum(1 for piece in self.holding.here.values() if self.takes(piece))

    def ended(self) -> bool:
        """Whether nothing more of it comes."""
        named = self.wish.named
        return self.holding.ended or (named is not None and named <= self.holding.here.keys())

    def shortfall(self, given: Container[str] = ()) -> HilumError | None:
        """Why not all of it is here, or None when it is; for once it has ended.

        Args:
            given: SOP Instance UIDs of those that the reader knows of, whole or broken.
        """
        error = self.holding.error
        missing = tuple(uid for uid in dict.fromkeys(self._missing(error)) if uid not in given)
        if isinstance(error, Incomplete):
            unnamed = 0 if self.is_here() else error.count - len(error.missing)
            count = len(missing) + max(unnamed, 0)
            return Incomplete(str(error), missing, count) if count else None
        if error is not None:
            return None if self.is_here() else copy(error)
        if missing:
            return Incomplete("some instances do not say to which series they belong", missing)
        return None

    def is_here(self) -> bool:
        """Whether all is here for certain, whatever went wrong elsewhere."""
        last = self.last()
        return last is not None and bool(last) and last <= self.holding.here.keys()

    def _missing(self, error: HilumError | None) -> Iterator[str]:
        for uid, piece in self.holding.here.items():
            if self.takes(piece) is None:
                yield uid
        if isinstance(error, Incomplete):
            listed = {each.sop_instance_uid: each for each in self.holding.manifest or ()}
            for uid in error.missing:
                each = listed.get(uid, Listed(uid, ""))
                if self._listed(each) is not False:
                    yield uid


def whole(holding: Holding) -> Share:
    """All of a holding."""
    single = all(ref.instance is not None for ref in holding.refs)
    return Share(holding, Wish.of(holding.refs) if single else ALL)


def joined(errors: Sequence[HilumError]) -> HilumError | None:
    """One error for several."""
    short = [each for each in errors if isinstance(each, Incomplete)]
    if len(short) < len(errors):
        return next(each for each in errors if not isinstance(each, Incomplete))
    if len(short) <= 1:
        return short[0] if short else None
    missing = tuple(uid for each in short for uid in each.missing)
    return Incomplete(str(short[0]), missing, sum(each.count for each in short))
