"""How is an instance retrieved that is soon looked at again? So that it stays for a while."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from hilum.core.backend import Retrieval
from hilum.model.identity import Ref


@dataclass(frozen=True, slots=True)
class Lingering:
    """Implements `core.backend.Retrieves`; for metadata, behind which a viewer asks for frames.

    Args:
        look_through: of a `Kept`.
    """

    look_through: Callable[[Sequence[Ref]], AbstractAsyncContextManager[Retrieval]]

    def retrieve(self, refs: Sequence[Ref], /) -> AbstractAsyncContextManager[Retrieval]:
        """See `core.backend.Retrieves`."""
        return self.look_through(refs)
