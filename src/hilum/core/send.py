"""Send: retrieve here, store there, counting; C-MOVE and C-GET are spoken from it."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace

from hilum.core.backend import Retrieval, Retrieves, Stores, StoreSession
from hilum.core.operations import Originator
from hilum.model.errors import HilumError
from hilum.model.identity import Ref
from hilum.model.instance import Instance, Listed
from hilum.model.outcome import Progress, Stored

Progresses = AsyncIterator[Progress]


@asynccontextmanager
async def send(
    retrieves: Retrieves,
    refs: Sequence[Ref],
    destination: Stores,
    originator: Originator | None = None,
) -> AsyncIterator[Progresses]:
    """The progress after each sub-operation, and once before the first.

    Leaving the block stops the work. When the source holds nothing, no destination is opened.

    Raises:
        HilumError: the source cannot be read at all.
    """
    async with retrieves.retrieve(refs) as retrieval:
        if retrieval.manifest is not None and not retrieval.manifest:
            yield _once(Progress())
            return
        contexts = _contexts(retrieval.manifest or ())
        async with AsyncExitStack() as stack:
            try:
                session = await stack.enter_async_context(destination.open(contexts, originator))
            except HilumError as error:
                yield _once(_all_failed(retrieval, error))
            else:
                progresses = _progress(retrieval, session)
                async with aclosing(progresses):
                    yield progresses


def _contexts(manifest: Sequence[Listed]) -> list[tuple[str, str]]:
    known = ((each.sop_class_uid, each.transfer_syntax_uid) for each in manifest)
    return list(dict.fromkeys((kind, syntax) for kind, syntax in known if syntax is not None))


async def _once(progress: Progress) -> AsyncGenerator[Progress, None]:
    yield progress


def _all_failed(retrieval: Retrieval, error: HilumError) -> Progress:
    """Nobody took anything: every sub-operation failed, and each is named."""
    uids = [each.sop_instance_uid for each in retrieval.manifest or ()]
    return Progress(failed=len(uids) or 1, failed_uids=tuple(uids), reason=error)


async def _progress(retrieval: Retrieval, session: StoreSession) -> AsyncGenerator[Progress, None]:
    manifest = retrieval.manifest
    now = Progress(remaining=len(manifest) if manifest is not None else 0)
    yield now
    async for instance in retrieval.instances:
        now = _counted(now, await _store(session, instance))
        yield now


async def _store(session: StoreSession, instance: Instance) -> Stored:
    """One sub-operation; a source that fails in the middle of it fails only it."""
    try:
        return await session.store(instance)
    except HilumError as error:
        return Stored(
            sop_class_uid=instance.sop_class_uid,
            sop_instance_uid=instance.sop_instance_uid,
            failure=error,
        )


def _counted(before: Progress, stored: Stored) -> Progress:
    now = replace(before, remaining=max(before.remaining - 1, 0))
    if stored.failure is not None:
        return replace(
            now,
            failed=now.failed + 1,
            failed_uids=(*now.failed_uids, stored.sop_instance_uid),
            reason=now.reason or stored.failure,
        )
    if stored.warnings:
        return replace(now, warning=now.warning + 1)
    return replace(now, completed=now.completed + 1)
