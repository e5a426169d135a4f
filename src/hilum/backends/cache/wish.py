"""Which of the instances that are fetched did somebody ask for? Told by UIDs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hilum.model.identity import Level, Ref


def plain(ref: Ref) -> Ref:
    """A reference without the patient, where a UID says what is meant all by itself."""
    if ref.level is Level.PATIENT:
        return ref
    return Ref(study=ref.study, series=ref.series, instance=ref.instance)


def key_of(refs: Iterable[Ref]) -> frozenset[Ref]:
    """What is the same for the same wish."""
    return frozenset(map(plain, refs))


Key = tuple[str, frozenset[Ref]]
"""Whose it is, and `key_of` what was asked for."""


def within(ref: Ref, parent: Ref) -> bool:
    """Whether all of `ref` is part of `parent`, as far as their UIDs say it."""
    if ref == parent:
        return True
    if parent.study is None or ref.study != parent.study or parent.instance is not None:
        return False
    return parent.series in {None, ref.series}


@dataclass(frozen=True, slots=True)
class Wish:
    """What one reader wants of what is there.

    Attributes:
        everything: all of it, whatever its UIDs are.
        studies, series, instances: UIDs of which it wants all that is below them.
    """

    everything: bool
    studies: frozenset[str] = frozenset()
    series: frozenset[str] = frozenset()
    instances: frozenset[str] = frozenset()

    @classmethod
    def of(cls, refs: Sequence[Ref]) -> "Wish":
        """A part only."""
        by_level: dict[Level, set[str]] = {level: set() for level in Level}
        for ref in refs:
            uid = ref.instance or ref.series or ref.study
            if uid is not None:
                by_level[ref.level].add(uid)
        return cls(
            everything=False,
            studies=frozenset(by_level[Level.STUDY]),
            series=frozenset(by_level[Level.SERIES]),
            instances=frozenset(by_level[Level.IMAGE]),
        )

    @property
    def named(self) -> frozenset[str] | None:
        """The SOP Instance UIDs, where nothing but instances is wanted."""
        return self.instances if not (self.everything or self.studies or self.series) else None

    def takes(self, study: str | None, series: str | None, instance: str) -> bool | None:
        """Whether an instance is wanted; None when what is known of it does not tell."""
        if self.everything or instance in self.instances:
            return True
        if study in self.studies or series in self.series:
            return True
        unknown = (self.studies and not study) or (self.series and not series)
        return None if unknown else False


ALL = Wish(everything=True)
