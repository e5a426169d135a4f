"""What stands behind a mount or destination, and stays open as long as somebody uses it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from typing import TypeVar

from hilum.core.backend import Retrieval, Retrieves, Stores, StoreSession
from hilum.core.operations import Originator
from hilum.model.identity import Ref

T = TypeVar("T")
Uses = AbstractContextManager[None]
"""Entered as long as it is used; see `core.lasting.Uses`."""


class UsedStores:
    """Implements `core.backend.Stores`."""

    def __init__(self, stores: Stores, uses: Uses) -> None:
        self._stores = stores
        self._uses = uses

    def open(
        self,
        contexts: Sequence[tuple[str, str]] = (),
        originator: Originator | None = None,
        /,
    ) -> AbstractAsyncContextManager[StoreSession]:
        """See `core.backend.Stores`."""
        return _using(self._uses, self._stores.open(contexts, originator))


class UsedRetrieves:
    """Implements `core.backend.Retrieves`."""

    def __init__(self, retrieves: Retrieves, uses: Uses) -> None:
        self._retrieves = retrieves
        self._uses = uses

    def retrieve(self, refs: Sequence[Ref], /) -> AbstractAsyncContextManager[Retrieval]:
        """See `core.backend.Retrieves`."""
        return _using(self._uses, self._retrieves.retrieve(refs))


@asynccontextmanager
async def _using(uses: Uses, opened: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    with uses:
        async with opened as value:
            yield value
