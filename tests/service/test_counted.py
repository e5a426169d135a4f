import pytest
from tests.contract.made import made, uid

from hilum.backends.memory import Memory
from hilum.config.mounts import ArchiveMount
from hilum.config.peers import Peer
from hilum.config.schema import Settings
from hilum.core import operations as ops
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.core.records import CANCELLED, FAILED, OK, REFUSED, outcome
from hilum.model.errors import BackendTimeout, NotFound
from hilum.model.identity import Level, Ref
from hilum.model.principal import NOBODY, OURSELVES, Principal, Proof
from hilum.model.query import Query
from hilum.service.counted import BOUNDS, Counted, Durations

pytestmark = pytest.mark.anyio
SETTINGS = Settings(
    mounts={"ARCHIVE": ArchiveMount()},
    peers={"CT 1": Peer(aet="CT1", host="127.0.0.1", port=104)},
)
CT1 = Principal("CT1", Proof.AE_TITLE, ae_title="CT1")


def served(counted: Counted) -> Broker:
    memory = Memory()
    mount = Mount(
        name="ARCHIVE",
        backend="memory",
        echoes=memory,
        finds=memory,
        retrieves=memory,
        stores=memory,
        deletes=memory,
    )
    return Broker(Mounts({"ARCHIVE": mount}, None), records=counted)


async def store(broker: Broker, *studies: int, who: Principal = CT1) -> None:
    async with broker.store(ops.Store(mount="ARCHIVE", who=who)) as session:
        for study in studies:
            await session.store(made(study).instance(size=False))


def numbers(counted: Counted) -> dict[str, float]:
    """All that are not zero, but for durations."""
    found = {}
    for family in counted.families():
        for each in family.samples:
            said = ",".join(f"{value}" for value in each.labels.values())
            if "seconds" not in each.name and each.value:
                found[f"{each.name.removeprefix('hilum_')} {said}"] = each.value
    return found


async def test_what_is_done_is_counted_by_names_of_the_configuration() -> None:
    counted = Counted(SETTINGS)
    broker = served(counted)
    await store(broker, 1, 2)
    size = sum(len(made(study).data) for study in (1, 2))
    assert numbers(counted) == {
        "operations_total dimse,ARCHIVE,store,CT 1,ok": 1,
        "instances_total dimse,ARCHIVE,store,CT 1,ok": 2,
        "instance_bytes_total dimse,ARCHIVE,store,CT 1": size,
    }
    query = Query(level=Level.STUDY)
    async with broker.find(ops.Find(mount="ARCHIVE", query=query)) as found:
        assert numbers(counted)["operations_running http,ARCHIVE,query,"] == 1
        assert [each.word for each in counted.running] == ["query"]
        assert len([match async for match in found]) == 2
    assert numbers(counted)["matches_total http,ARCHIVE,query,"] == 2
    retrieve = ops.Retrieve(mount="ARCHIVE", refs=(Ref(study=uid(1)),))
    async with broker.retrieve(retrieve) as retrieval:
        async for each in retrieval.instances:
            assert [chunk async for chunk in each.chunks]
    assert numbers(counted)["instances_total http,ARCHIVE,retrieve,,ok"] == 1
    assert numbers(counted)["instance_bytes_total http,ARCHIVE,retrieve,"] == len(made(1).data)
    assert not counted.running


async def test_who_is_unknown_is_another_and_what_fails_says_how() -> None:
    counted = Counted(SETTINGS)
    broker = served(counted)
    stranger = Principal("X", Proof.NOTHING, ae_title="WHAT COMES BY THE WIRE")
    with pytest.raises(NotFound):
        await broker.delete(ops.Delete(mount="ARCHIVE", who=stranger, ref=Ref(study="1.2")))
    assert numbers(counted) == {"operations_total dimse,ARCHIVE,delete,other,refused": 1}


async def test_parts_of_an_operation_and_our_own_questions_are_not_counted() -> None:
    counted = Counted(SETTINGS)
    broker = served(counted)
    await broker.echo(ops.Echo(mount="ARCHIVE", who=OURSELVES))
    await store(broker, 1, who=NOBODY.admitted())
    assert not numbers(counted)


async def test_what_ends_after_its_names_have_changed_is_counted_where_it_began() -> None:
    counted = Counted(SETTINGS)
    broker = served(counted)
    async with broker.store(ops.Store(mount="ARCHIVE", who=CT1)) as session:
        counted.become(Settings())
        await session.store(made(1).instance(size=False))
        assert numbers(counted) == {"operations_running dimse,ARCHIVE,store,CT 1": 1}
    found = numbers(counted)
    assert found["operations_total dimse,ARCHIVE,store,CT 1,ok"] == 1
    assert not [name for name in found if "running" in name]
    assert not counted.running


async def test_each_instance_that_is_stored_is_timed() -> None:
    counted = Counted(SETTINGS)
    await store(served(counted), 1, 2, 3)
    [timed] = [each for each in counted.families() if each.kind == "histogram"]
    values = {each.name + each.labels.get("le", ""): each.value for each in timed.samples}
    assert values["hilum_operation_seconds_count"] == 3
    assert values["hilum_operation_seconds_bucket+Inf"] == 3
    assert values["hilum_operation_seconds_sum"] > 0


def test_a_bucket_has_all_that_is_not_longer() -> None:
    took = Durations()
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] * 1.01, BOUNDS[-1], 1e9):
        took.add(seconds)
    samples = [*took.samples("x", {})]
    by_bound = {each.labels["le"]: each.value for each in samples if "le" in each.labels}
    assert by_bound[str(BOUNDS[0])] == 2
    assert by_bound[str(BOUNDS[1])] == 3
    assert by_bound[str(BOUNDS[-1])] == 4
    assert by_bound["+Inf"] == 5


def test_how_an_operation_ends() -> None:
    errors = (None, NotFound(), BackendTimeout(), ValueError(), GeneratorExit())
    assert [outcome(each) for each in errors] == [OK, REFUSED, FAILED, FAILED, CANCELLED]
