"""How does a PACS give instances? By C-GET, or by C-MOVE to ourselves, and with proof.

Before anything is fetched, the PACS is asked what there is; what comes is held against that. Where
it does not list its instances, the counts of its responses are all there is to go by.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from hilum.backends.dimse.got import Got
from hilum.backends.dimse.moved import moving
from hilum.backends.dimse.parts import parts_of
from hilum.backends.dimse.pool import Pool
from hilum.backends.dimse.proof import Part, Proof
from hilum.backends.dimse.requested import Request
from hilum.backends.dimse.survey import lists_others
from hilum.config.mounts import DimseMount
from hilum.core.backend import Retrieval
from hilum.model.errors import BackendFault, BackendTimeout, HilumError, NotFound, NotOffered
from hilum.model.identity import Level, Ref
from hilum.model.instance import Instance, Listed
from hilum.net.inbox import Inbox
from hilum.upper_layer.association import Association

log = logging.getLogger(__name__)


class Fetcher:
    """`core.backend.Retrieves` of a PACS.

    Args:
        pool: associations with it.
        mount: its settings.
        calling: our AE title, where the mount names none.
        inbox: where what it sends us after a C-MOVE arrives; it is let in there from now on.
    """

    def __init__(self, pool: Pool, mount: DimseMount, calling: str, inbox: Inbox) -> None:
        self._pool = pool
        self._mount = mount
        self._receiving = inbox.register(mount, calling)
        self._gets: bool | None = None if mount.retrieve == "auto" else mount.retrieve == "get"

    def close(self) -> None:
        """Let the PACS bring nothing any more."""
        self._receiving.close()

    @asynccontextmanager
    async def retrieve(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        """See `core.backend.Retrieves`.

        An empty manifest only where the PACS does not know the study or series either: who asks
        for an instance that it does not list, in a series that it has, is given what comes; and
        NotFound where it fails at that, and lists others in the series.

        Raises:
            NotOffered: it does not do what is configured.
            OutOfResources, BackendError: it cannot be reached; or it failed, and nothing came:
                then instead of the first instance.
        """
        deadline = asyncio.get_running_loop().time() + self._mount.retrieve_deadline
        async with AsyncExitStack() as stack:
            if not self._gets:
                stack.enter_context(self._receiving.busy())
            try:
                async with asyncio.timeout_at(deadline):
                    parts = await parts_of(self._pool, self._mount, refs)
            except TimeoutError:
                raise BackendTimeout("the retrieval took longer than it may") from None
            proof = Proof(part for part in parts if part.listed is None or part.listed)
            if not proof.parts:
                yield Retrieval([], _nothing())
                return
            instances = await self._begun(proof, deadline, stack)
            doubted = [part.request for part in proof.parts if _is_doubted(part)]
            if len(doubted) == len(proof.parts):
                instances = _Doubted(instances, lambda: self._are_others(doubted))
            yield Retrieval(self._manifest(proof), instances)

    async def _are_others(self, doubted: Sequence[Request]) -> bool:
        """Whether the PACS lists others than these, where they would be."""

        @asynccontextmanager
        async def asked(association: Association) -> AsyncIterator[bool]:
            others = False
            async with asyncio.timeout(self._mount.query_deadline):
                for each in doubted:
                    others = await lists_others(
                        association, each.keys, patient_root=each.patient_root
                    )
                    if not others:
                        break
            yield others

        try:
            async with self._pool.begun(asked, self._mount.query_timeout) as others:
                return others
        except (HilumError, TimeoutError):
            return False

    def _manifest(self, proof: Proof) -> list[Listed] | None:
        """What should come. In which syntax is not known where it is asked for uncompressed."""
        found = proof.manifest
        if found is None or not self._mount.uncompressed:
            return found
        return [
            Listed(
                each.sop_instance_uid,
                each.sop_class_uid,
                study_instance_uid=each.study_instance_uid,
                series_instance_uid=each.series_instance_uid,
            )
            for each in found
        ]

    async def _begun(
        self, proof: Proof, deadline: float, stack: AsyncExitStack
    ) -> AsyncIterator[Instance]:
        """The instances, by whichever way the PACS has; which that is, is learned once."""
        if self._gets is not False:
            async with AsyncExitStack() as trying:
                got = Got(self._pool, self._mount, proof, deadline)
                await trying.enter_async_context(got)
                try:
                    await got.begin(doubtfully=self._gets is None)
                except NotOffered as error:
                    if self._gets:
                        raise
                    log.info("%s: %s; from now on C-MOVE is used", self._mount.aet, error)
                    self._gets = False
                else:
                    self._gets = True
                    stack.push_async_exit(trying.pop_all())
                    return got
        return await stack.enter_async_context(
            moving(self._pool, self._mount, self._receiving, proof, deadline)
        )


class _Doubted(AsyncIterator[Instance]):
    """Instances that the PACS does not list, though it has their series.

    A PACS may answer with a failure when it is asked for what it has not, as Orthanc does. Then
    what it does list tells one from the other.
    """

    def __init__(
        self, instances: AsyncIterator[Instance], are_others: Callable[[], Awaitable[bool]]
    ) -> None:
        self._instances = instances
        self._are_others = are_others
        self._came = False

    async def __anext__(self) -> Instance:
        try:
            found = await anext(self._instances)
        except BackendFault as error:
            if self._came or not await self._are_others():
                raise
            raise NotFound("no such instance: the PACS lists others in its series") from error
        self._came = True
        return found


def _is_doubted(part: Part) -> bool:
    return part.listed is None and part.request.level is Level.IMAGE


async def _nothing() -> AsyncIterator[Instance]:
    return
    yield
