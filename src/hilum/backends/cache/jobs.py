"""Which retrievals run for clients that come again? And how far each is."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hilum.backends.cache.share import Share, joined
from hilum.backends.cache.wish import Key, key_of
from hilum.core.backend import Fetching
from hilum.model.errors import Incomplete, NotFound
from hilum.model.identity import Ref


@dataclass(slots=True, eq=False)
class Job:
    """One, and what it waits for.

    Attributes:
        whose: who may know of it; see `Holding.whose`.
        ended_at: when it was seen to have ended; seconds since 1970.
    """

    fetching: Fetching
    shares: Sequence[Share]
    whose: str = ""
    ended_at: float | None = None

    def look(self, now: float) -> Fetching:
        """How far it is now."""
        told, shares = self.fetching, self.shares
        if told.ended:
            return told
        told.arrived = sum(share.arrived() for share in shares)
        told.attempts = max(share.holding.attempts for share in shares)
        manifests = [share.manifest() for share in shares]
        known = [manifest for manifest in manifests if manifest is not None]
        told.expected = sum(map(len, known)) if len(known) == len(manifests) else None
        if all(share.ended() for share in shares):
            self.ended_at = now
            told.ended = True
            self._judge()
        return told

    def _judge(self) -> None:
        told = self.fetching
        short = [error for share in self.shares if (error := share.shortfall()) is not None]
        error = joined(short)
        if isinstance(error, Incomplete) and told.arrived:
            told.missing = error.missing
            told.expected = told.arrived + error.count
        else:
            told.error = error


class Jobs:
    """All of them, by name and by what they fetch."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._by_key: dict[Key, Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def add(self, refs: Sequence[Ref], shares: Sequence[Share], whose: str) -> Job:
        """A new one."""
        job = Job(Fetching(uuid.uuid4().hex, tuple(refs)), shares, whose)
        self._jobs[job.fetching.id] = job
        self._by_key[whose, key_of(refs)] = job
        return job

    def of(self, refs: Sequence[Ref], whose: str) -> Job | None:
        """The one of theirs that fetches the same."""
        return self._by_key.get((whose, key_of(refs)))

    def named(self, name: str, whose: str) -> Job:
        """The one of that name.

        Raises:
            NotFound: there is none of theirs.
        """
        if name not in self._jobs or self._jobs[name].whose != whose:
            raise NotFound("no such job")
        return self._jobs[name]

    def forget(self, job: Job) -> None:
        """It is not known any more."""
        self._jobs.pop(job.fetching.id, None)
        key = job.whose, key_of(job.fetching.refs)
        if self._by_key.get(key) is job:
            del self._by_key[key]
