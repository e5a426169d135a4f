from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from hilum.core.backend import Retrieval, StoreSession
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.core.operations import Originator, Retrieve, Send
from hilum.model.errors import (
    BackendFault,
    BackendUnavailable,
    HilumError,
    Incomplete,
    NotOffered,
    UnknownDestination,
    UnknownMount,
)
from hilum.model.identity import Ref
from hilum.model.instance import Instance, Listed
from hilum.model.outcome import Progress, Stored

pytestmark = pytest.mark.anyio
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"


@dataclass
class Source:
    """Gives instances named by their UIDs; those in `broken` fail while they are read.

    Before number `breaks_at` the whole of it breaks off, without an error where `breaks` is None.
    """

    uids: Sequence[str]
    broken: Sequence[str] = ()
    open: int = 0
    listed: bool = True
    count: int | None = None
    breaks: HilumError | None = None
    breaks_at: int = -1

    @asynccontextmanager
    async def retrieve(self, _refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        self.open += 1
        try:
            manifest = [Listed(uid, CT, EXPLICIT) for uid in self.uids]
            yield Retrieval(manifest if self.listed else None, self._instances(), self.count)
        finally:
            self.open -= 1

    async def _instances(self) -> AsyncIterator[Instance]:
        for at, uid in enumerate([*self.uids, ""]):
            if at == self.breaks_at and self.breaks is not None:
                raise self.breaks
            if not uid or at == self.breaks_at:
                return
            yield Instance(uid, CT, EXPLICIT, self._chunks(uid))

    async def _chunks(self, uid: str) -> AsyncIterator[bytes]:
        if uid in self.broken:
            raise BackendFault("the file cannot be read")
        yield b"data of " + uid.encode()


@dataclass
class Sink:
    """Takes instances; refuses those in `refused`, warns of those in `warned`."""

    refused: Sequence[str] = ()
    warned: Sequence[str] = ()
    taken: dict[str, bytes] = field(default_factory=dict)
    contexts: Sequence[tuple[str, str]] = ()
    originator: Originator | None = None
    open_now: int = 0
    unreachable: bool = False

    @asynccontextmanager
    async def open(
        self,
        contexts: Sequence[tuple[str, str]] = (),
        originator: Originator | None = None,
        /,
    ) -> AsyncIterator[StoreSession]:
        if self.unreachable:
            raise BackendUnavailable("nobody listens")
        self.contexts, self.originator = contexts, originator
        self.open_now += 1
        try:
            yield self
        finally:
            self.open_now -= 1

    async def store(self, instance: Instance, /) -> Stored:
        uid = instance.sop_instance_uid
        data = b"".join([chunk async for chunk in instance.chunks])
        failure = BackendFault("refused") if uid in self.refused else None
        if failure is None:
            self.taken[uid] = data
        warnings = ("odd",) if uid in self.warned else ()
        return Stored(sop_class_uid=CT, sop_instance_uid=uid, failure=failure, warnings=warnings)


def broker(source: Source, sink: Sink) -> Broker:
    mounts = Mounts({"ARCHIVE": Mount(name="ARCHIVE", backend="test", retrieves=source)}, None)
    return Broker(mounts, {"DEST": sink})


def order(destination: str = "DEST", mount: str = "ARCHIVE") -> Send:
    return Send(
        mount=mount,
        refs=(Ref(study="1.2"),),
        destination=destination,
        originator=Originator("CALLER", 7),
    )


async def run(source: Source, sink: Sink) -> list[Progress]:
    async with broker(source, sink).send(order()) as progresses:
        return [progress async for progress in progresses]


async def test_each_sub_operation_is_counted_as_it_ends() -> None:
    source, sink = Source(["1", "2", "3"]), Sink()
    seen = await run(source, sink)
    assert [(each.remaining, each.completed) for each in seen] == [(3, 0), (2, 1), (1, 2), (0, 3)]
    assert sink.taken == {uid: b"data of " + uid.encode() for uid in "123"}
    assert sink.contexts == [(CT, EXPLICIT)]
    assert sink.originator == Originator("CALLER", 7)
    assert (source.open, sink.open_now) == (0, 0)


async def test_failures_and_warnings_are_told_apart_and_named() -> None:
    last = (await run(Source(["1", "2", "3"]), Sink(refused=["2"], warned=["3"])))[-1]
    assert (last.completed, last.failed, last.warning, last.remaining) == (1, 1, 1, 0)
    assert last.failed_uids == ("2",)
    assert isinstance(last.reason, BackendFault)


async def test_an_instance_that_cannot_be_read_fails_alone() -> None:
    sink = Sink()
    last = (await run(Source(["1", "2", "3"], broken=["2"]), sink))[-1]
    assert (last.completed, last.failed, last.failed_uids) == (2, 1, ("2",))
    assert set(sink.taken) == {"1", "3"}


async def test_when_nobody_listens_every_instance_failed_and_is_named() -> None:
    source = Source(["1", "2"])
    (only,) = await run(source, Sink(unreachable=True))
    assert (only.failed, only.failed_uids, only.remaining) == (2, ("1", "2"), 0)
    assert isinstance(only.reason, BackendUnavailable)
    assert source.open == 0


async def test_when_nobody_listens_and_nothing_is_listed_what_was_asked_for_is_named() -> None:
    sink = Sink(unreachable=True)
    refs = (Ref("1", "2", "7"), Ref("1", "2", "8"))
    operation = Send(mount="ARCHIVE", refs=refs, destination="DEST")
    async with broker(Source(["7", "8"], listed=False), sink).send(operation) as progresses:
        (only,) = [progress async for progress in progresses]
    assert (only.failed, only.failed_uids) == (2, ("7", "8"))
    (only,) = await run(Source(["7", "8"], listed=False), sink)
    assert (only.failed, only.failed_uids, only.remaining) == (1, (), 0)


@pytest.mark.parametrize(
    ("count", "remaining"), [(2, [2, 1, 0]), (3, [3, 2, 1, 0]), (1, [1, 0, 0])]
)
async def test_what_remains_of_a_number_is_told_also_where_nothing_is_listed(
    count: int, remaining: list[int]
) -> None:
    told = await run(Source(["1", "2"], listed=False, count=count), Sink())
    assert [each.remaining for each in told] == remaining
    assert (told[-1].completed, told[-1].failed) == (2, 0)


async def test_what_remains_of_an_unknown_number_is_unknown_until_the_end() -> None:
    seen = await run(Source(["1", "2"], listed=False), Sink())
    assert [(each.remaining, each.completed) for each in seen] == [
        (None, 0),
        (None, 1),
        (None, 2),
        (0, 2),
    ]


@pytest.mark.parametrize("error", [BackendFault("gone"), Incomplete("less", ("2", "3")), None])
async def test_what_a_source_announced_and_did_not_give_has_failed_by_name(
    error: HilumError | None,
) -> None:
    last = (await run(Source(["1", "2", "3"], breaks=error, breaks_at=1), Sink()))[-1]
    assert (last.completed, last.failed, last.remaining) == (1, 2, 0)
    assert last.failed_uids == ("2", "3")
    assert {each.sop_class_uid for each in last.failures} == {CT}
    assert last.reason is error or isinstance(last.reason, Incomplete)


async def test_what_a_source_says_is_missing_is_counted_once() -> None:
    error = Incomplete("less", ("2", "3"))
    last = (await run(Source(["1", "2"], breaks=error, breaks_at=2), Sink(refused=["2"])))[-1]
    assert (last.completed, last.failed, last.failed_uids) == (1, 2, ("2", "3"))
    some = Incomplete("less", count=4)
    last = (await run(Source(["1"], breaks=some, breaks_at=1, listed=False), Sink()))[-1]
    assert (last.completed, last.failed, last.failed_uids, last.remaining) == (1, 4, (), 0)


async def test_what_is_missing_is_named_also_where_nothing_came() -> None:
    error = Incomplete("less", ("2", "3"))
    last = (await run(Source(["1"], breaks=error, breaks_at=0, listed=False), Sink()))[-1]
    assert (last.failed, last.failed_uids, last.remaining) == (2, ("2", "3"), 0)


async def test_a_source_that_breaks_off_after_all_came_has_failed_at_nothing() -> None:
    last = (await run(Source(["1"], breaks=BackendFault("late"), breaks_at=1), Sink()))[-1]
    assert (last.completed, last.failed, last.reason) == (1, 0, None)


async def test_a_source_that_breaks_off_before_anything_is_known_fails_as_a_whole() -> None:
    source = Source(["1"], breaks=BackendUnavailable("gone"), breaks_at=0, listed=False)
    with pytest.raises(BackendUnavailable):
        await run(source, Sink())
    assert source.open == 0


async def test_a_destination_that_refuses_all_is_told_so() -> None:
    last = (await run(Source(["1", "2"]), Sink(refused=["1", "2"])))[-1]
    assert (last.completed, last.failed, last.failed_uids) == (0, 2, ("1", "2"))


async def test_when_there_is_nothing_to_send_no_destination_is_opened() -> None:
    assert await run(Source([]), Sink(unreachable=True)) == [Progress()]


async def test_who_leaves_in_the_middle_leaves_nothing_open() -> None:
    source, sink = Source(["1", "2", "3"]), Sink()
    async with broker(source, sink).send(order()) as progresses:
        async for progress in progresses:
            if progress.completed:
                break
    assert (source.open, sink.open_now) == (0, 0)
    assert set(sink.taken) == {"1"}


async def test_what_is_not_there_is_refused_by_name() -> None:
    source, sink = Source(["1"]), Sink()
    with pytest.raises(UnknownDestination):
        broker(source, sink).send(order(destination="NOBODY"))
    with pytest.raises(UnknownMount):
        broker(source, sink).send(order(mount="NOWHERE"))
    with pytest.raises(NotOffered, match="ARCHIVE does not offer store"):
        broker(source, sink).send(order(destination="ARCHIVE"))


async def test_c_get_gives_to_whoever_asks() -> None:
    sink = Sink()
    operation = Retrieve(mount="ARCHIVE", refs=(Ref(study="1.2"),))
    async with broker(Source(["1", "2"]), sink).give(operation, sink) as progresses:
        seen = [progress async for progress in progresses]
    assert seen[-1].completed == 2
