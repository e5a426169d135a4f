from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest
from tests.core.test_send import CT, Sink, Source, order

from hilum.core import account
from hilum.core import operations as ops
from hilum.core.account import Account
from hilum.core.backend import Found, Lent, Retrieval
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.core.records import Tally
from hilum.model.audit import Action, Event, Kind, Outcome
from hilum.model.errors import BackendFault, Incomplete, NotFound
from hilum.model.identity import Level, Ref
from hilum.model.instance import Instance, Listed
from hilum.model.match import Match
from hilum.model.outcome import Progress, Stored
from hilum.model.principal import Principal, Proof
from hilum.model.query import Query

pytestmark = pytest.mark.anyio
ANN = Principal("ann", Proof.TOKEN)
ONE = (Ref(study="1.2"),)


class Heard(list[Event]):
    """What the audit was told."""

    def summary(self) -> list[tuple[Kind, int, str, dict[str, int]]]:
        return [(each.kind, int(each.outcome), each.study, dict(each.instances)) for each in self]


def broker(heard: Heard, **offered: object) -> Broker:
    sink = offered.pop("sink", None)
    mount = Mount(name="ARCHIVE", backend="test", **offered)  # type: ignore[arg-type] # doubles
    destinations = {} if sink is None else {"DEST": sink}
    return Broker(Mounts({"ARCHIVE": mount}, None), destinations, audits=heard.append)  # type: ignore[arg-type] # doubles


async def test_a_send_is_told_of_before_and_after() -> None:
    heard = Heard()
    served = broker(heard, retrieves=Source(["1", "2", "3"]), sink=Sink(refused=["2"]))
    async with served.send(order()) as progresses:
        assert heard.summary() == [(Kind.BEGUN, 0, "1.2", {})]
        assert [each.completed async for each in progresses][-1] == 2
    assert heard.summary()[1:] == [
        (Kind.TRANSFERRED, 0, "1.2", {CT: 2}),
        (Kind.TRANSFERRED, 4, "1.2", {CT: 1}),
    ]
    assert {each.to for each in heard} == {"DEST"}
    assert heard[2].why == "refused"


async def test_what_the_far_side_sends_by_itself_is_told_by_its_counts() -> None:
    class Sends:
        @asynccontextmanager
        async def send(self, *_: object) -> AsyncIterator[AsyncIterator[Progress]]:
            async def progresses() -> AsyncIterator[Progress]:
                yield Progress(remaining=9)
                yield Progress(completed=7, warning=1, failed=1)

            yield progresses()

    heard = Heard()
    async with broker(heard, sends=Sends(), passed_on=None, sink=Sink()).send(order()) as running:
        assert [each async for each in running]
    assert heard.summary()[1:] == [
        (Kind.TRANSFERRED, 0, "1.2", {"": 8}),
        (Kind.TRANSFERRED, 4, "1.2", {"": 1}),
    ]


async def test_what_is_retrieved_is_told_of_as_far_as_it_was_given() -> None:
    heard = Heard()
    served = broker(heard, retrieves=Source(["1", "2", "3"]))
    operation = ops.Retrieve(mount="ARCHIVE", who=ANN, refs=ONE)
    async with served.retrieve(operation) as retrieval:
        assert not heard
        await anext(retrieval.instances)
        assert heard.summary() == [(Kind.BEGUN, 0, "1.2", {})]
        await anext(retrieval.instances)
    assert heard.summary()[1:] == [(Kind.TRANSFERRED, 0, "1.2", {CT: 2})]
    assert {each.who for each in heard} == {ANN}
    assert heard[1].action is Action.READ


async def test_who_only_looks_what_there_is_has_retrieved_nothing() -> None:
    heard = Heard()
    operation = ops.Retrieve(mount="ARCHIVE", refs=ONE)
    async with broker(heard, retrieves=Source(["1"])).retrieve(operation):
        pass
    assert not heard


async def test_a_retrieval_that_breaks_off_is_told_as_both() -> None:
    heard = Heard()
    source = Source(["1", "2"], breaks=Incomplete("gone", ("2",)), breaks_at=1)
    operation = ops.Retrieve(mount="ARCHIVE", refs=ONE)
    with pytest.raises(Incomplete):
        async with broker(heard, retrieves=source).retrieve(operation) as retrieval:
            assert [each async for each in retrieval.instances]
    assert heard.summary()[1:] == [
        (Kind.TRANSFERRED, 0, "1.2", {CT: 1}),
        (Kind.TRANSFERRED, 4, "1.2", {}),
    ]
    assert heard[-1].why == "gone"


async def test_of_several_studies_each_has_its_own_message() -> None:
    class Two:
        @asynccontextmanager
        async def retrieve(self, _refs: Sequence[Ref], /) -> AsyncIterator[Retrieval]:
            async def instances() -> AsyncIterator[Instance]:
                for each in listed:
                    yield Instance(each.sop_instance_uid, CT, "", chunks())

            async def chunks() -> AsyncIterator[bytes]:
                yield b""

            studies = ["1", "1", "2"]
            listed = [
                Listed(str(at), CT, study_instance_uid=study) for at, study in enumerate(studies)
            ]
            yield Retrieval(listed, instances())

    heard = Heard()
    sink = Sink()
    operation = ops.Retrieve(mount="ARCHIVE", refs=(Ref(study="1"), Ref(study="2")))
    async with broker(heard, retrieves=Two()).give(operation, sink) as progresses:
        assert [each async for each in progresses]
    assert len(sink.taken) == 3
    told = [(Kind.TRANSFERRED, 0, "1", {CT: 2}), (Kind.TRANSFERRED, 0, "2", {CT: 1})]
    assert heard.summary()[-2:] == told
    assert [each.study for each in heard[:2]] == ["1", "2"]


class Kept:
    """Keeps all but those of a certain name."""

    @asynccontextmanager
    async def open(self, *_: object) -> AsyncIterator["Kept"]:
        yield self

    async def store(self, instance: Instance, /) -> Stored:
        study, _, name = instance.sop_instance_uid.partition("/")
        failure = BackendFault("full") if name == "bad" else None
        return Stored(
            sop_class_uid=CT, sop_instance_uid=name, study_instance_uid=study, failure=failure
        )


async def stored(heard: Heard, *names: str) -> None:
    operation = ops.Store(mount="ARCHIVE", who=ANN)
    async with broker(heard, stores=Kept()).store(operation) as session:
        for each in names:
            await session.store(Instance(each, CT, "", None))  # type: ignore[arg-type] # not read


async def test_what_was_stored_is_told_once_for_each_study() -> None:
    heard = Heard()
    await stored(heard, "1/a", "1/b", "2/a", "1/bad")
    assert heard.summary() == [
        (Kind.TRANSFERRED, 0, "1", {CT: 2}),
        (Kind.TRANSFERRED, 0, "2", {CT: 1}),
        (Kind.TRANSFERRED, 4, "1", {CT: 1}),
    ]
    assert all(each.comes and each.action is Action.CREATE for each in heard)


async def test_who_never_ends_to_store_is_told_of_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(account, "EVERY", 0.0)
    heard = Heard()
    await stored(heard, "1/a", "1/b")
    assert heard.summary() == [(Kind.TRANSFERRED, 0, "1", {CT: 1})] * 2


def test_the_studies_that_one_operation_counts_are_bounded() -> None:
    heard = Heard()
    moved = Account(heard.append, Tally(ops.Store(mount="ARCHIVE")))
    for number in range(3 * account.MOST_STUDIES):
        uid = f"1.{number}"
        moved.stored(Stored(sop_class_uid=CT, sop_instance_uid="1", study_instance_uid=uid))
    assert len(heard) > account.MOST_STUDIES
    moved.close()
    assert len({each.study for each in heard}) == 3 * account.MOST_STUDIES


class Finds:
    @asynccontextmanager
    async def find(self, query: Query, /) -> AsyncIterator[object]:
        if not query.match:
            raise BackendFault("too much")
        yield Found(no_matches())


async def no_matches() -> AsyncIterator[Match]:
    for match in ():
        yield match


async def test_a_query_is_told_with_its_keys_and_one_within_another_request_is_not() -> None:
    heard = Heard()
    served = broker(heard, finds=Finds())
    query = Query(level=Level.STUDY, match={(0x00400275, 0x00400007): "CT*"})
    for who in (ANN, ANN.admitted()):
        async with served.find(ops.Find(mount="ARCHIVE", who=who, query=query)):
            pass
    (event,) = heard
    assert (event.kind, event.level, event.keys) == (
        Kind.QUERY,
        Level.STUDY,
        {"00400275.00400007": "CT*"},
    )
    with suppress(BackendFault):
        async with served.find(ops.Find(mount="ARCHIVE", query=Query(level=Level.STUDY))):
            pass
    assert (heard[-1].outcome, heard[-1].why) == (Outcome.MINOR, "too much")


class Lends:
    @asynccontextmanager
    async def lend(self, ref: Ref, /) -> AsyncIterator[Lent | None]:
        if ref.instance == "none":
            raise NotFound("nothing")
        yield None


async def test_what_is_looked_into_is_told_of_before_anything_of_it_leaves() -> None:
    heard = Heard()
    served = broker(heard, lends=Lends())
    async with served.lend(ops.Lend(mount="ARCHIVE", ref=Ref("1.2", "1", "1"))):
        assert heard.summary() == [(Kind.ACCESSED, 0, "1.2", {})]
    with pytest.raises(NotFound):
        async with served.lend(ops.Lend(mount="ARCHIVE", ref=Ref("1.2", "1", "none"))):
            pass
    assert heard.summary()[1:] == [(Kind.ACCESSED, 4, "1.2", {})]


class Deletes:
    async def delete(self, ref: Ref, /) -> int:
        if ref.study == "none":
            raise NotFound("nothing")
        return 5


async def test_a_deletion_is_told_of_by_what_it_deletes() -> None:
    heard = Heard()
    served = broker(heard, deletes=Deletes())
    await served.delete(ops.Delete(mount="ARCHIVE", ref=Ref(study="1")))
    await served.delete(ops.Delete(mount="ARCHIVE", ref=Ref(study="1", series="2")))
    with pytest.raises(NotFound):
        await served.delete(ops.Delete(mount="ARCHIVE", ref=Ref(study="none")))
    assert heard.summary() == [
        (Kind.DELETED, 0, "1", {"": 5}),
        (Kind.ACCESSED, 0, "1", {"": 5}),
        (Kind.DELETED, 4, "none", {}),
    ]
    assert {each.action for each in heard} == {Action.DELETE}
