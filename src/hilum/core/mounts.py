"""The mounts: an AE title of ours and what stands behind it."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from hilum.core.backend import (
    Asks,
    Changes,
    Deletes,
    Describes,
    Echoes,
    Fetches,
    Finds,
    Lends,
    Retrieves,
    Sends,
    Stores,
    Versions,
)
from hilum.core.changes import TellsChanges
from hilum.core.measures import Measures
from hilum.model.errors import UnknownMount


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One AE title of ours and what stands behind it; None: not offered here.

    Attributes:
        name: its AE title, also its place under `/aets/`.
        backend: the kind of backend, in the configuration's word.
        feed: remembers which studies changed, until somebody was told.
        asks: what `finds` was made of, where the far side cannot answer everything.
        sends: can send what it holds by itself.
        passed_on: destinations that `sends` is asked for first; None: every one.
        describes_moves: whether `describes` retrieves the instances that it describes.
        fetches: can bring instances here in the background.
        wait: how a web client waits for a retrieval: "stream", "retry_after", "job".
        retry_after: seconds that a client is told to wait.
        behind: AE titles of the PACS that stands behind it, by which it calls us.
        itself: destinations that are the very system that stands behind it.
        measures: what can say how much of what it has.
        stores_at_once: instances that one session of `stores` takes at the same time.
        uses: entered as long as somebody uses what stands behind it, so that it stays open.
    """

    name: str
    backend: str
    echoes: Echoes | None = None
    finds: Finds | None = None
    retrieves: Retrieves | None = None
    describes: Describes | None = None
    versions: Versions | None = None
    changes: Changes | None = None
    feed: TellsChanges | None = None
    lends: Lends | None = None
    stores: Stores | None = None
    deletes: Deletes | None = None
    asks: Asks | None = None
    sends: Sends | None = None
    passed_on: frozenset[str] | None = frozenset()
    describes_moves: bool = False
    fetches: Fetches | None = None
    wait: str = "stream"
    retry_after: float = 10.0
    behind: frozenset[str] = frozenset()
    itself: frozenset[str] = frozenset()
    stores_at_once: int = 1
    measures: tuple[Measures, ...] = ()
    uses: AbstractContextManager[None] = field(default_factory=nullcontext, compare=False)


class Mounts:
    """All mounts by AE title, and the default one.

    Args:
        mounts: by AE title.
        default: the one for whoever names none.
        own: the server's own AE title, which means the default mount.
    """

    def __init__(
        self, mounts: Mapping[str, Mount], default: str | None, own: str | None = None
    ) -> None:
        self._mounts = dict(mounts)
        self._own = own
        self.default = default

    def meant(self, ae_title: str) -> str:
        """The name of the mount that an AE title means, whether or not there is one."""
        is_own = ae_title == self._own and ae_title not in self._mounts
        return self.default if is_own and self.default is not None else ae_title

    def __iter__(self) -> Iterator[Mount]:
        return iter(self._mounts.values())

    def __contains__(self, name: object) -> bool:
        return name in self._mounts

    def __getitem__(self, name: str) -> Mount:
        """The mount of that AE title.

        Raises:
            UnknownMount: there is none.
        """
        try:
            return self._mounts[name]
        except KeyError:
            raise UnknownMount("no mount has this AE title") from None
