"""How do instances come from an origin server? By WADO-RS, counted (PS3.18 §10.4)."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Final

from hilum.backends.dicomweb.asks import Asking
from hilum.backends.dicomweb.parts import Parts
from hilum.backends.dicomweb.resources import of_ref
from hilum.backends.dicomweb.wanted import Expected, expected, listed, resolved
from hilum.core.backend import Retrieval
from hilum.model.errors import (
    BackendFault,
    BackendTimeout,
    BackendUnavailable,
    HilumError,
    Incomplete,
    NotOffered,
    OutOfResources,
)
from hilum.model.identity import Ref
from hilum.model.instance import Instance, Listed
from hilum.net.answer import Answer
from hilum.net.client import Accepts, Client

AS_KEPT: Final = (
    'multipart/related; type="application/dicom"; transfer-syntax=*',
    "multipart/related; type=application/dicom; transfer-syntax=*",
)
"""What asks for instances in the Transfer Syntaxes that they are kept in."""
_PARTIAL = 206
_ABSENT = frozenset({404, 410})


def dicom_accepts() -> Accepts:
    """How instances are asked for: as they are kept, then in ways that more servers understand."""
    kinds = (
        *AS_KEPT,
        'multipart/related; type="application/dicom"',
        "application/dicom; transfer-syntax=*",
        "*/*",
    )
    return Accepts(kinds, frozenset({400, 406, 415}))


class Retrieving:
    """Implements `core.backend.Retrieves` by a client for retrievals, and one for queries."""

    def __init__(self, client: Client, asking: Asking) -> None:
        self.client = client
        self.asking = asking
        self.accepts = dicom_accepts()

    @asynccontextmanager
    async def retrieve(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        """See `core.backend.Retrieves`.

        What the server holds, or how much, is asked by QIDO-RS while it begins to send; what then
        did not come is asked for once more, each instance by itself.
        """
        wanted = await resolved(self.asking, refs)
        async with AsyncExitStack() as stack:
            arrivals = _Arrivals(self, wanted, stack)
            if len(wanted) == 1 and wanted[0].instance is not None:
                manifest: list[Listed] | None = await arrivals.single(wanted[0])
            else:
                manifest = await self._listed(arrivals, wanted)
            yield Retrieval(manifest, arrivals, arrivals.expected.count)

    async def _listed(self, arrivals: "_Arrivals", wanted: Sequence[Ref]) -> list[Listed] | None:
        """The manifest, asked for while the first answer begins.

        Raises:
            HilumError: the first answer is an error.
        """
        try:
            async with asyncio.TaskGroup() as group:
                listing = group.create_task(expected(self.asking, wanted))
                await arrivals.begin()
        except* HilumError as failures:
            raise failures.exceptions[0] from None
        found = listing.result()
        if not found.listed and not found.others and arrivals.has_begun:
            found = replace(found, listed=None)  # counted only, or the server's index is behind
        arrivals.expected = found
        if found.listed is None:
            unknown = arrivals.has_begun or arrivals.failure is not None or found.count
            return None if unknown else []
        if self.accepts.kinds[self.accepts.liked] in AS_KEPT:
            return [*found.listed.values()]
        return [replace(each, transfer_syntax_uid=None) for each in found.listed.values()]


class _Arrivals:
    """The instances of a retrieval, as they come.

    Attributes:
        expected: what must come.
        failure: why an answer was none, where that is not the end of it.
    """

    def __init__(
        self, retrieving: Retrieving, wanted: Sequence[Ref], stack: AsyncExitStack
    ) -> None:
        self._client = retrieving.client
        self._asking = retrieving.asking
        self._wanted = wanted
        self._accepts = retrieving.accepts
        self._stack = stack
        self._targets = deque(wanted)
        self._target = Ref()
        self._parts: Parts | None = None
        self._answer: Answer | None = None
        self._held: Instance | None = None
        self._given: set[str] = set()
        self._asked_again = False
        self._short = 0  # answers that were not whole, and parts that were no instances
        self.expected = Expected(None)
        self.failure: HilumError | None = None

    def __aiter__(self) -> AsyncIterator[Instance]:
        return self

    @property
    def has_begun(self) -> bool:
        """Whether an answer is there."""
        return self._parts is not None

    async def begin(self) -> None:
        """Ask for the next target of which there is something.

        Raises:
            HilumError: the server failed, and nothing came before.
        """
        while self._targets and self._parts is None:
            self._target = self._targets.popleft()
            url = self._client.root + of_ref(self._target)
            try:
                answer = await self._stack.enter_async_context(
                    self._client.get(url, self._accepts, expected=_ABSENT)
                )
                if answer.status in _ABSENT:
                    await self._stack.aclose()
                    continue
                self._parts = Parts(answer, self._client.who)
                self._answer = answer
            except HilumError as error:
                await self._stack.aclose()
                self.failure = self.failure or error
                if isinstance(error, BackendUnavailable | BackendTimeout | OutOfResources):
                    self._targets.clear()  # whoever does not answer is not asked again and again
                # Some give instances only, and no studies: those are asked for in the end.
                if not self._given and not self._asked_again and not isinstance(error, NotOffered):
                    raise

    async def single(self, ref: Ref) -> list[Listed]:
        """The manifest of one instance, whose beginning is there then.

        Raises:
            HilumError: the server failed, or sent something else.
        """
        for last in (False, True):
            await self.begin()
            if self._parts is None:
                if self.failure is not None:
                    raise self.failure
                return []
            while (instance := await self._parts.next()) is not None:
                if instance.sop_instance_uid == ref.instance:
                    break
            if instance is not None:
                break
            broken = self._parts.broken
            await self._end()
            if last or broken is None:
                raise broken or BackendFault(f"{self._client.who} sent another instance")
            self._targets.append(ref)
        assert instance is not None  # noqa: S101 - for the type: else it was raised
        self._held = instance
        listed = Listed(
            instance.sop_instance_uid,
            instance.sop_class_uid,
            instance.transfer_syntax_uid,
            instance.size,
            ref.study,
            ref.series,
        )
        self.expected = Expected({listed.sop_instance_uid: listed})
        return [listed]

    async def __anext__(self) -> Instance:
        while True:
            instance, self._held = self._held, None
            if instance is None:
                if self._parts is None:
                    await self.begin()
                if self._parts is None:
                    await self._ask_again()  # or raise
                    continue
                instance = await self._parts.next()
                if instance is None:
                    await self._end()
                    continue
            uid = instance.sop_instance_uid
            if uid in self._given or uid in self.expected.others or not self._is_meant(uid):
                continue
            self._given.add(uid)
            return instance

    def _is_meant(self, uid: str) -> bool:
        return self._target.instance in {None, uid}

    async def _end(self) -> None:
        """Leave the answer at hand."""
        parts, answer = self._parts, self._answer
        self._parts = self._answer = None
        if parts is not None and answer is not None:
            whole = parts.ended and answer.status != _PARTIAL
            self._short += parts.unreadable + (not whole)
            self.failure = self.failure or parts.broken
        await self._stack.aclose()

    async def _ask_again(self) -> None:
        """Make targets of what did not come.

        Raises:
            Incomplete: that was done already, or cannot be.
            HilumError: nothing came at all.
            StopAsyncIteration: nothing is missing.
        """
        if not self._asked_again:
            self._asked_again = True
            if not self._is_proven():
                await self._look_for_missing()
            if self._targets:
                return
        error = self._told()
        cause, self.failure = self.failure, None
        self.expected, self._short = Expected({}), 0
        if error is None:
            raise StopAsyncIteration
        raise error from (None if cause is error else cause)

    def _is_proven(self) -> bool:
        """Whether as much came, in answers that were whole, as the server says it has."""
        count = self.expected.count
        whole = not self._short and self.failure is None
        return (
            self.expected.listed is None
            and count is not None
            and whole
            and (len(self._given) >= count)
        )

    async def _look_for_missing(self) -> None:
        if self.expected.listed is None and self.expected.count is not None:
            by_name = await listed(self._asking, self._wanted)
            if by_name.listed and len(by_name.listed) >= len(self._given):
                self.expected = by_name  # else these are not the names of all
        for uid, one in (self.expected.listed or {}).items():
            study, series = one.study_instance_uid, one.series_instance_uid
            if uid not in self._given and study is not None and series is not None:
                self._targets.append(Ref(study=study, series=series, instance=uid))

    def _told(self) -> HilumError | None:
        """How the retrieval ended; None: whole."""
        every, count = self.expected.listed, self.expected.count or 0
        if every is not None:
            missing = tuple(uid for uid in every if uid not in self._given)
            text = f"{len(missing)} of {len(every)} instances did not come"
            return Incomplete(text, missing) if missing else None
        if not self._given and not count:
            return self.failure
        if self._short or self.failure is not None or len(self._given) < count:
            return Incomplete(
                "not everything came", count=max(count - len(self._given), self._short, 1)
            )
        return None
