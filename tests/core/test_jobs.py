import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from hilum.core import jobs
from hilum.core.backend import Retrieval, StoreSession
from hilum.core.broker import Broker
from hilum.core.jobs import BackgroundSends, open_sends
from hilum.core.mounts import Mount, Mounts
from hilum.core.operations import Originator, Send
from hilum.core.transactions import Transaction
from hilum.model.errors import (
    BackendFault,
    BackendUnavailable,
    HilumError,
    InUse,
    NotFound,
    OutOfResources,
    UnknownDestination,
)
from hilum.model.identity import Ref
from hilum.model.instance import Instance, Listed
from hilum.model.outcome import Stored
from hilum.model.sending import Sending, State

pytestmark = pytest.mark.anyio
CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"


@dataclass
class Records:
    """Keeps in a dict; `fails` is raised by what is named in `at`."""

    kept: dict[str, Transaction] = field(default_factory=dict)
    states: list[tuple[str, State]] = field(default_factory=list)
    fails: HilumError | None = None
    at: str = ""
    forgotten: int = 0
    slow: float = 0.0

    async def add(self, transaction: Transaction, /) -> None:
        await self._may("add")
        if transaction.uid in self.kept:
            raise InUse("taken")
        self.kept[transaction.uid] = transaction

    async def get(self, uid: str, /) -> Transaction | None:
        return self.kept.get(uid)

    async def update(self, transaction: Transaction, /) -> None:
        await self._may("update")
        self.kept[transaction.uid] = transaction
        self.states.append((transaction.uid, transaction.sending.state))

    async def unfinished(self) -> Sequence[Transaction]:
        await self._may("unfinished")
        return [each for each in self.kept.values() if not each.sending.state.is_final]

    async def forget(self, _before: float, _most: int, /) -> None:
        self.forgotten += 1
        await self._may("forget")

    async def _may(self, name: str) -> None:
        await asyncio.sleep(self.slow)
        if name == self.at and self.fails is not None:
            raise self.fails


@dataclass
class Both:
    """A source of three instances, and a destination that waits for `go` before the second."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    order: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    open_now: int = 0
    most: int = 0
    error: Exception | None = None

    @asynccontextmanager
    async def retrieve(self, refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
        if self.error is not None:
            raise self.error
        self.order.append(refs[0].study or "")
        manifest = [Listed(f"{refs[0].study}.{n}", CT, EXPLICIT) for n in range(3)]

        async def instances() -> AsyncIterator[Instance]:
            for each in manifest:
                yield Instance(each.sop_instance_uid, CT, EXPLICIT, nothing())

        yield Retrieval(manifest, instances())

    @asynccontextmanager
    async def open(
        self,
        _contexts: Sequence[tuple[str, str]] = (),
        _originator: Originator | None = None,
        /,
    ) -> AsyncIterator[StoreSession]:
        self.open_now += 1
        self.most = max(self.most, self.open_now)
        try:
            yield self
        finally:
            self.open_now -= 1

    async def store(self, instance: Instance, /) -> Stored:
        if instance.sop_instance_uid.endswith(".1"):
            await self.go.wait()
        self.taken.append(instance.sop_instance_uid)
        return Stored(sop_class_uid=CT, sop_instance_uid=instance.sop_instance_uid)


async def nothing() -> AsyncIterator[bytes]:
    yield b""


def broker(both: Both) -> Broker:
    mount = Mount(name="HERE", backend="test", retrieves=both)
    return Broker(Mounts({"HERE": mount}, None), {"THERE": both})


def order(study: str = "1", destination: str = "THERE") -> Send:
    return Send(mount="HERE", destination=destination, refs=(Ref(study=study),))


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not what():  # noqa: ASYNC110 - anything may make it true
            await asyncio.sleep(0.001)


async def end(sends: BackgroundSends, uid: str) -> Sending:
    async with asyncio.timeout(20):
        while not (found := (await sends.status(uid)).sending).state.is_final:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)
    return found


async def test_a_send_is_recorded_done_and_told_of() -> None:
    both, records = Both(), Records()
    async with open_sends(broker(both), records) as sends:
        taken = await sends.begin("9", order(), "studies")
        assert records.kept["9"].operation == taken.operation
        assert (taken.sending, taken.resource) == (Sending(), "studies")
        await until(lambda: both.taken)
        now = (await sends.status("9")).sending
        assert (now.state, now.completed, now.remaining) == (State.RUNNING, 1, 2)
        assert records.states == [("9", State.RUNNING)]
        both.go.set()
        assert await end(sends, "9") == Sending(state=State.ENDED, remaining=0, completed=3)
        await until(lambda: records.states[-1] == ("9", State.ENDED))
    assert records.kept["9"].changed >= records.kept["9"].asked > 0


async def test_no_more_run_at_once_than_may_and_they_keep_their_order() -> None:
    both, records = Both(), Records()
    async with open_sends(broker(both), records, at_once=2) as sends:
        for study in "123456":
            await sends.begin(study, order(study), "studies")
        await until(lambda: both.open_now == 2)
        assert (await sends.status("3")).sending.state is State.WAITING
        both.go.set()
        await end(sends, "6")
    assert (both.most, both.order) == (2, [*"123456"])


async def test_what_cannot_be_done_is_refused_before_it_is_recorded() -> None:
    both, records = Both(), Records()
    async with open_sends(broker(both), records) as sends:
        with pytest.raises(UnknownDestination):
            await sends.begin("9", order(destination="NOBODY"), "studies")
        with pytest.raises(UnknownDestination):
            await sends.check("9", order(destination="NOBODY"))
        with pytest.raises(NotFound):
            await sends.status("9")
        with pytest.raises(NotFound):
            await sends.stop("9")
    assert not records.kept


async def test_a_uid_is_taken_while_it_runs_and_afterwards() -> None:
    both, records = Both(), Records()
    async with open_sends(broker(both), records) as sends:
        await sends.begin("9", order(), "studies")
        for ask in (sends.check("9", order()), sends.begin("9", order(), "studies")):
            with pytest.raises(InUse):
                await ask
        both.go.set()
        await end(sends, "9")
        for ask in (sends.check("9", order()), sends.begin("9", order(), "studies")):
            with pytest.raises(InUse):
                await ask
        assert (await sends.status("9")).sending.completed == 3


async def test_too_many_that_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_WAITING", 2)
    async with open_sends(broker(Both()), Records()) as sends:
        await sends.begin("1", order(), "studies")
        await sends.begin("2", order(), "studies")
        with pytest.raises(OutOfResources):
            await sends.begin("3", order(), "studies")


async def test_what_cannot_be_recorded_is_not_done() -> None:
    both, records = Both(), Records(fails=BackendFault("full"), at="add")
    async with open_sends(broker(both), records) as sends:
        with pytest.raises(BackendFault, match="full"):
            await sends.begin("9", order(), "studies")
        records.fails = None
        await sends.begin("9", order(), "studies")
        await until(lambda: both.taken)
    assert both.order == ["1"]


async def test_who_asks_and_leaves_has_asked() -> None:
    both, records = Both(), Records(slow=0.05)
    both.go.set()
    async with open_sends(broker(both), records) as sends:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await sends.begin("9", order(), "studies")
        records.slow = 0.0
        assert (await end(sends, "9")).completed == 3


async def test_an_end_that_cannot_be_recorded_is_still_told() -> None:
    both, records = Both(), Records()
    async with open_sends(broker(both), records) as sends:
        await sends.begin("9", order(), "studies")
        await until(lambda: both.taken)
        records.fails, records.at = BackendFault("full"), "update"
        both.go.set()
        assert (await end(sends, "9")).completed == 3
        with pytest.raises(InUse):
            await sends.stop("9")


@pytest.mark.parametrize("error", [BackendUnavailable("gone"), ValueError("a patient's name")])
async def test_a_source_that_fails_is_told_and_the_others_go_on(error: Exception) -> None:
    both, records = Both(error=error), Records()
    both.go.set()
    async with open_sends(broker(both), records) as sends:
        await sends.begin("8", order(), "studies")
        sending = await end(sends, "8")
        assert (sending.state, sending.failed) == (State.FAILED, 1)
        assert sending.comment in {"gone", "internal error"}
        both.error = None
        await sends.begin("9", order(), "studies")
        assert (await end(sends, "9")).completed == 3


async def test_a_send_is_given_up_where_it_stands() -> None:
    both, records = Both(), Records()
    async with open_sends(broker(both), records, at_once=1) as sends:
        await sends.begin("8", order("8"), "studies")
        await sends.begin("9", order("9"), "studies")
        await until(lambda: both.taken)
        stopped = await sends.stop("9")
        assert stopped.sending.state is State.STOPPED
        stopped = await sends.stop("8")
        assert (stopped.sending.state, stopped.sending.completed) == (State.STOPPED, 1)
        assert stopped.sending.remaining == 2
        assert both.open_now == 0
        with pytest.raises(InUse):
            await sends.stop("8")
    assert {uid: each.sending.state for uid, each in records.kept.items()} == {
        "8": State.STOPPED,
        "9": State.STOPPED,
    }
    assert both.order == ["8"]


async def test_what_was_left_is_taken_up_from_the_beginning() -> None:
    both, records = Both(), Records()
    before = len(asyncio.all_tasks())
    async with open_sends(broker(both), records) as sends:
        await sends.begin("8", order("8"), "studies")
        await sends.begin("9", order("9"), "studies")
        await until(lambda: len(both.taken) == 2)
    assert (both.open_now, len(asyncio.all_tasks())) == (0, before)
    assert {each.sending.state for each in records.kept.values()} <= {State.RUNNING, State.WAITING}
    both.go.set()
    both.taken.clear()
    async with open_sends(broker(both), records) as sends:
        for uid in "89":
            assert await end(sends, uid) == Sending(state=State.ENDED, remaining=0, completed=3)
    assert len(both.taken) == 6


async def test_what_was_left_for_another_process_is_left() -> None:
    records = Records()
    left = Transaction(uid="9", operation=order(), resource="studies")
    records.kept["9"] = left
    async with open_sends(broker(Both()), records, mine=lambda mount: mount != "HERE"):
        await asyncio.sleep(0.05)
    assert left.operation.mount == "HERE"
    assert records.kept["9"] == left


async def test_what_was_left_for_a_place_that_is_no_more_fails_with_the_reason() -> None:
    records = Records()
    left = Transaction(uid="9", operation=order(destination="GONE"), resource="studies")
    records.kept["9"] = replace(left, sending=Sending(state=State.RUNNING, completed=1))
    async with open_sends(broker(Both()), records) as sends:
        sending = await end(sends, "9")
    assert (sending.state, sending.completed, sending.failed) == (State.FAILED, 0, 1)
    assert "AE title" in sending.comment


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError, match="mine"):  # noqa: PT012 - it is about the block
        async with open_sends(broker(Both()), Records()) as sends:
            await sends.begin("9", order(), "studies")
            raise KeyError("mine")
    with pytest.raises(BackendFault, match="unreadable"):
        async with open_sends(
            broker(Both()), Records(fails=BackendFault("unreadable"), at="unfinished")
        ):
            pass


async def test_the_oldest_are_forgotten_also_where_that_fails_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "_SWEPT_EVERY", 0.001)
    records = Records(fails=BackendFault("busy"), at="forget")
    async with open_sends(broker(Both()), records):
        await until(lambda: records.forgotten > 2)
