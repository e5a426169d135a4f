"""Stores at a peer by C-STORE: where C-MOVE and Send go (PS3.4 Annex B)."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial

from hilum.codec import reencode
from hilum.codec.associate import MAX_CONTEXTS
from hilum.codec.sop_class import UNCOMPRESSED
from hilum.core.backend import StoreSession, Transcodes
from hilum.core.operations import Originator
from hilum.model.errors import HilumError
from hilum.model.instance import Instance
from hilum.model.outcome import Stored
from hilum.upper_layer.association import Association
from hilum.upper_layer.requestor import Remote, Wanted, associate
from hilum.upper_layer.storing import store_on

Need = tuple[str, str]
"""A SOP Class UID and the Transfer Syntax UID of an instance of it."""
Opens = Callable[[Sequence[Wanted]], AbstractAsyncContextManager[Association]]
"""Gives an association on which these contexts were proposed."""


class PeerStores:
    """A peer that takes C-STORE. Contexts are planned from what will come.

    Args:
        remote: the peer.
        opens: calls it, where not everybody may call it as often as he likes.
        transcodes: what takes pixels to a syntax that it accepts; None: nobody does.
        looks: tell of which study each instance is, where nobody has said so.
    """

    def __init__(
        self,
        remote: Remote,
        opens: Opens | None = None,
        transcodes: Transcodes | None = None,
        *,
        looks: bool = False,
    ) -> None:
        self._opens: Opens = opens or partial(associate, remote)
        self._transcodes = transcodes
        self._looks = looks

    @asynccontextmanager
    async def open(
        self, contexts: Sequence[Need] = (), originator: Originator | None = None, /
    ) -> AsyncIterator[StoreSession]:
        """A session on one association at a time; another is opened where contexts run out.

        Raises:
            BackendError: the peer cannot be reached or refuses, on entering.
            OutOfResources: it may not be called now, on entering.
        """
        async with AsyncExitStack() as stack:
            session = _Session(
                self._opens, contexts, originator, stack, self._transcodes, self._looks
            )
            if contexts:
                await session.prepare(contexts[0])
            yield session


class _Session:
    def __init__(  # noqa: PLR0913, PLR0917 - what it was opened with
        self,
        opens: Opens,
        needs: Sequence[Need],
        originator: Originator | None,
        stack: AsyncExitStack,
        transcodes: Transcodes | None,
        looks: bool,  # noqa: FBT001 - as above
    ) -> None:
        self._looks = looks
        self._opens = opens
        self._needs = list(dict.fromkeys(needs))
        self._originator = originator
        self._stack = stack
        self._transcodes = transcodes
        self._open: Association | None = None
        self._covered: frozenset[Need] = frozenset()
        self._gone: HilumError | None = None

    async def prepare(self, need: Need) -> Association:
        """The association on which `need` was proposed; opened when there is none."""
        if self._open is not None and self._open.lost is None and need in self._covered:
            return self._open
        self._open = None
        await self._stack.aclose()
        if need not in self._needs:
            self._needs.append(need)
        wanted, self._covered = plan(need, self._needs, self._transcodes)
        self._open = await self._stack.enter_async_context(self._opens(wanted))
        return self._open

    async def store(self, instance: Instance, /) -> Stored:
        """One C-STORE.

        A peer that ended the association is called again for the next instance; one that then
        cannot be reached is not waited for again and again.
        """
        if self._gone is None:
            need = (instance.sop_class_uid, instance.transfer_syntax_uid)
            try:
                association = await self.prepare(need)
            except HilumError as error:
                self._gone = error
            else:
                return await store_on(
                    association,
                    instance,
                    self._originator,
                    self._transcodes,
                    looks=self._looks,
                )
        return Stored(
            sop_class_uid=instance.sop_class_uid,
            sop_instance_uid=instance.sop_instance_uid,
            failure=self._gone,
        )


def plan(
    first: Need, needs: Sequence[Need], transcodes: Transcodes | None = None
) -> tuple[list[Wanted], frozenset[Need]]:
    """What to propose so that `first`, and as many others as fit, can go out.

    Each class gets one context for each syntax it is held in and, where it can be re-encoded or
    decoded, one more with the other uncompressed syntaxes, so that the peer's choice among those
    does not keep it from taking the instance as it is.
    """

    def can_become(syntax: str, other: str) -> bool:
        if reencode.possible(syntax, other):
            return True
        return transcodes is not None and transcodes.possible(syntax, other)

    wanted: list[Wanted] = []
    covered: set[Need] = set()
    for need in (first, *(each for each in needs if each != first)):
        uid, syntax = need
        more: list[Wanted] = [(uid, (syntax,))]
        others = tuple(each for each in UNCOMPRESSED if each != syntax and can_become(syntax, each))
        if others and (uid, others) not in wanted:
            more.append((uid, others))
        if len(wanted) + len(more) > MAX_CONTEXTS:
            break
        wanted += more
        covered.add(need)
    return wanted, frozenset(covered)
