"""Send: retrieve here, store there, counting; C-MOVE and C-GET are spoken from it."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
)
from dataclasses import replace

from hilum.core.backend import Retrieval, Retrieves, Sends, Stores, StoreSession
from hilum.core.operations import Originator, Send
from hilum.model.errors import HilumError, Incomplete, UnknownDestination
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
    What the source has announced and does not give has failed, and is named.

    Raises:
        HilumError: the source cannot be read at all; on entering, or instead of the first
            sub-operation.
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
                yield _once(_all_failed(retrieval, refs, error))
            else:
                progresses = _progress(retrieval, session)
                async with aclosing(progresses):
                    yield progresses


@asynccontextmanager
async def passed_on(
    sends: Sends, operation: Send, otherwise: Callable[[], AbstractAsyncContextManager[Progresses]]
) -> AsyncIterator[Progresses]:
    """The progress of what the source sends by itself; `otherwise`, where it cannot reach there.

    Raises:
        HilumError: as `send`, and what the source says.
    """
    async with AsyncExitStack() as stack:
        sending = sends.send(operation.refs, operation.destination, operation.originator)
        try:
            progresses = await stack.enter_async_context(sending)
            first = await anext(progresses, Progress())
        except UnknownDestination:
            await stack.aclose()
            yield await stack.enter_async_context(otherwise())
            return
        resumed = _resumed(first, progresses)
        async with aclosing(resumed):
            yield resumed


async def _resumed(first: Progress, rest: Progresses) -> AsyncGenerator[Progress, None]:
    yield first
    async for each in rest:
        yield each


def _contexts(manifest: Sequence[Listed]) -> list[tuple[str, str]]:
    known = ((each.sop_class_uid, each.transfer_syntax_uid) for each in manifest)
    return list(dict.fromkeys((kind, syntax) for kind, syntax in known if syntax is not None))


async def _once(progress: Progress) -> AsyncGenerator[Progress, None]:
    yield progress


def _all_failed(retrieval: Retrieval, refs: Sequence[Ref], error: HilumError) -> Progress:
    """Nobody took anything: every sub-operation failed, and each that is known is named."""
    listed = retrieval.manifest
    if listed is None:
        listed = [Listed(ref.instance, "") for ref in refs if ref.instance is not None]
    return _failed(Progress(), listed, error)


async def _progress(retrieval: Retrieval, session: StoreSession) -> AsyncGenerator[Progress, None]:
    manifest = retrieval.manifest
    still = {each.sop_instance_uid: each for each in manifest or ()}
    total = retrieval.count if manifest is None else len(still)
    done = 0
    now = first = Progress(remaining=total)
    yield now
    error: HilumError | None = None
    try:
        async for instance in retrieval.instances:
            still.pop(instance.sop_instance_uid, None)
            stored = await _store(session, instance)
            done += 1
            left = None if total is None else max(total - done, 0)
            now = _counted(now, stored, left if manifest is None else len(still))
            yield now
    except HilumError as failure:
        begun = manifest is not None or now != first
        if not begun and not isinstance(failure, Incomplete):
            raise  # nothing came, and nobody knows of what
        error = failure
    if still or (error is not None and manifest is None) or isinstance(error, Incomplete):
        # What did come is told of as it went; the rest has failed.
        error = error or Incomplete("not everything came that was announced")
        yield _failed(now, [*still.values()], error)
    elif now.remaining != 0:
        yield replace(now, remaining=0)


def _failed(before: Progress, listed: Sequence[Listed], error: HilumError) -> Progress:
    """What `listed` has failed too, and whatever else `error` names; nothing remains."""
    kinds = {each.sop_instance_uid: each.sop_class_uid for each in listed}
    missing = error.missing if isinstance(error, Incomplete) else ()
    known = set(before.failed_uids)
    uids = [uid for uid in dict.fromkeys([*kinds, *missing]) if uid not in known]
    count = error.count - len(known.intersection(missing)) if isinstance(error, Incomplete) else 1
    return replace(
        before,
        remaining=0,
        failed=before.failed + max(len(uids), count),
        failed_uids=(*before.failed_uids, *uids),
        reason=before.reason or error,
        failures=(
            *before.failures,
            *(
                Stored(sop_class_uid=kinds.get(uid, ""), sop_instance_uid=uid, failure=error)
                for uid in uids
            ),
        ),
    )


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


def _counted(before: Progress, stored: Stored, remaining: int | None) -> Progress:
    if stored.failure is not None:
        return replace(
            before,
            remaining=remaining,
            failed=before.failed + 1,
            failed_uids=(*before.failed_uids, stored.sop_instance_uid),
            reason=before.reason or stored.failure,
            failures=(*before.failures, stored),
        )
    warned = bool(stored.warnings)
    return Progress(  # several times as quick as `replace`
        remaining=remaining,
        completed=before.completed + (not warned),
        failed=before.failed,
        warning=before.warning + warned,
        failed_uids=before.failed_uids,
        reason=before.reason,
        failures=before.failures,
    )
