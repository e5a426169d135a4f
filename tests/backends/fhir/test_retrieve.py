from collections.abc import AsyncIterator

import pytest
from tests.backends.dicomweb import served as web
from tests.backends.fhir.served import PATIENT, bundle, endpoint, index, study
from tests.contract.made import Made, made, uid

from hilum.backends.fhir import Index
from hilum.backends.memory import Memory
from hilum.model.errors import NotFound
from hilum.model.identity import Ref

pytestmark = pytest.mark.anyio

PIXELS = (0x7FE0_0010,)


async def kept(*instances: Made) -> Memory:
    memory = Memory("FAR")
    async with memory.open() as session:
        for each in instances:
            assert (await session.store(each.instance())).failure is None
    return memory


@pytest.fixture
async def far() -> AsyncIterator[Index]:
    """Two studies of one patient, which are at two origin servers."""
    first = await kept(made(1, 1, 1), made(1, 1, 2))
    second = await kept(made(2, 1, 1, PatientID="P1"))
    async with web.hilum(first) as one, web.hilum(second) as other:
        studies = {
            uid(1): study(uid(1), "one", series=[{"uid": uid(1, 1)}]),
            uid(2): study(uid(2), "other", series=[{"uid": uid(2, 1)}]),
        }
        beside = [PATIENT, endpoint(one, "one"), endpoint(other, "other")]

        async def answer(request: web.Request, writer: object) -> None:
            asked = [each for name, each in studies.items() if f"oid:{name}" in request.query]
            known = asked or ([*studies.values()] if "identifier=P1" in request.query else [])
            writer.write(bundle(known, beside))  # type: ignore[attr-defined]

        hosts = tuple({each.removesuffix("/aets/FAR") for each in (one, other)})
        async with (
            web.lying(answer) as liar,
            index(liar.url, endpoints={"hosts": hosts}) as opened,
        ):
            yield opened


async def retrieved(far: Index, *refs: Ref) -> tuple[bool, list[str]]:
    """Whether it was known before what comes; and what came."""
    async with far.retrieve(refs) as retrieval:
        came = []
        async for each in retrieval.instances:
            assert b"".join([chunk async for chunk in each.chunks])
            came.append(each.sop_instance_uid)
        return retrieval.manifest is not None, sorted(came)


async def test_one_root_is_asked_as_it_is(far: Index) -> None:
    assert await retrieved(far, Ref(study=uid(1))) == (True, [uid(1, 1, 1), uid(1, 1, 2)])
    one = Ref(study=uid(1), series=uid(1, 1), instance=uid(1, 1, 2))
    assert await retrieved(far, one) == (True, [uid(1, 1, 2)])
    assert await retrieved(far, Ref(study=uid(9))) == (True, [])


async def test_what_is_at_two_roots_comes_one_after_the_other(far: Index) -> None:
    every = [uid(1, 1, 1), uid(1, 1, 2), uid(2, 1, 1)]
    assert await retrieved(far, Ref(study=uid(1)), Ref(study=uid(2))) == (False, every)
    assert await retrieved(far, Ref(patient="P1")) == (False, every)
    assert await retrieved(far, Ref(patient="P1", study=uid(2))) == (True, [uid(2, 1, 1)])


async def test_metadata_and_values_come_from_there(far: Index) -> None:
    one = Ref(study=uid(2), series=uid(2, 1), instance=uid(2, 1, 1))
    async with far.describe(one, "http://us") as objects:
        (only,) = [each async for each in objects]
    assert b"http://us/studies/" in only
    async with far.bulk(one, PIXELS) as data:
        assert b"".join([chunk async for chunk in data.chunks]) == bytes([2, 1, 1, 0, 1, 2, 3, 4])
    nowhere = Ref(study=uid(9), series=uid(9, 1), instance=uid(9, 1, 1))
    with pytest.raises(NotFound):
        async with far.bulk(nowhere, PIXELS):
            pass
