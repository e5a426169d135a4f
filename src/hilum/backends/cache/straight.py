"""Fetching for a mount whose instances are here already: there is nothing to bring."""

import time
import uuid
from collections import OrderedDict
from collections.abc import Sequence

from hilum.backends.cache.wish import key_of
from hilum.core.backend import Fetching, Retrieves
from hilum.model.errors import NotFound
from hilum.model.identity import Ref

LINGER = 600.0  # seconds that a job is remembered
MOST = 1000  # jobs that are


class Straight:
    """Implements `core.backend.Fetches`: every job is done as soon as it is asked for.

    How many instances there are is told by who retrieves them.

    Args:
        retrieves: what has the instances.
        mark: what the names of jobs end with.
    """

    def __init__(self, retrieves: Retrieves, mark: str = "") -> None:
        self.retrieves = retrieves
        self._mark = mark
        self._jobs: OrderedDict[str, tuple[float, Fetching]] = OrderedDict()
        self._known: dict[frozenset[Ref], Fetching] = {}

    def fetch(self, refs: Sequence[Ref], /) -> Fetching:
        """See `core.backend.Fetches`."""
        self._forget()
        key = key_of(refs)
        if key in self._known:
            return self._known[key]
        made = Fetching(uuid.uuid4().hex + self._mark, tuple(refs), ended=True)
        self._jobs[made.id] = (time.monotonic(), made)
        self._known[key] = made
        return made

    def fetching(self, name: str, /) -> Fetching:
        """See `core.backend.Fetches`."""
        self._forget()
        if name not in self._jobs:
            raise NotFound("no such job")
        return self._jobs[name][1]

    def stop(self, name: str, /) -> None:
        """See `core.backend.Fetches`."""
        del self._known[key_of(self.fetching(name).refs)]
        del self._jobs[name]

    def _forget(self) -> None:
        while self._jobs:
            name, (began, made) = next(iter(self._jobs.items()))
            if len(self._jobs) < MOST and time.monotonic() - began < LINGER:
                return
            del self._jobs[name], self._known[key_of(made.refs)]
