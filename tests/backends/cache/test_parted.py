"""What was retrieved for one caller is not given to another, where the mount passes tokens on."""

import asyncio
from pathlib import Path

import pytest
from tests.backends.cache.far import Far, datasets, folders, kept, read, until
from tests.contract.made import Made, made, uid

from hilum.backends.cache import Lingering
from hilum.core.caller import acting_for, whose
from hilum.core.described import Described
from hilum.model.errors import Forbidden, NotFound, Unauthenticated
from hilum.model.identity import Ref
from hilum.model.principal import Principal, Proof

pytestmark = pytest.mark.anyio
ANNA = Principal("anna", Proof.TOKEN, token="a.a.a")  # noqa: S106 - no secret
BOB = Principal("bob", Proof.TOKEN, token="b.b.b")  # noqa: S106 - no secret
STUDY, SERIES = Ref(uid(1)), Ref(uid(1), uid(1, 1))
ONE = Ref(uid(1), uid(1, 1), uid(1, 1, 1))


def house() -> list[Made]:
    return [made(1, 1, each) for each in (1, 2)]


@pytest.fixture
async def far() -> Far:
    far = Far()
    await far.keep(*house())
    return far


async def test_a_retrieval_on_its_way_is_not_joined_by_another(far: Far, tmp_path: Path) -> None:
    async with kept(far, tmp_path, whose) as backend, asyncio.TaskGroup() as group:
        readers = []
        for who in (ANNA, ANNA, BOB):
            with acting_for(who):
                readers.append(group.create_task(read(backend, STUDY)))
        await until(lambda: far.opened == 2)
        far.gate.set()
        for each in readers:
            assert await each == datasets(*house())
    assert len(far.asked) == 2  # one for both of anna's, one for bob's
    assert folders(tmp_path) == []


async def test_a_failure_of_one_is_not_that_of_another(far: Far, tmp_path: Path) -> None:
    far.gate.set()
    far.refuses = [None, Forbidden("not bob")]
    async with kept(far, tmp_path, whose) as backend:
        with acting_for(ANNA):
            assert await read(backend, STUDY) == datasets(*house())
        with acting_for(BOB), pytest.raises(Forbidden):
            await read(backend, STUDY)


async def test_the_cache_is_for_who_filled_it_also_after_a_restart(
    far: Far, tmp_path: Path
) -> None:
    far.gate.set()
    for asked in (2, 2):  # the second time nothing is asked
        async with kept(far, tmp_path, whose, cache={"max_age": 600.0}) as backend:
            for who in (ANNA, BOB, ANNA, BOB):
                with acting_for(who):
                    assert await read(backend, STUDY) == datasets(*house())
                    assert len(await read(backend, ONE)) == 1
                    await until(lambda: backend.holds(STUDY))
            with acting_for(Principal("eve", Proof.TOKEN, token="e.e.e")):  # noqa: S106 - no secret
                assert not backend.holds(STUDY)
        assert len(far.asked) == asked
    async with kept(far, tmp_path, cache={"max_age": 600.0}) as backend:
        assert not backend.holds(STUDY)  # the mount passes nothing on any more
        await read(backend, STUDY)
    assert len(far.asked) == 3
    async with kept(far, tmp_path, whose, cache={"max_age": 600.0}) as backend:
        with acting_for(Principal("eve", Proof.TOKEN, token="e.e.e")):  # noqa: S106 - no secret
            assert not backend.holds(STUDY)  # nor is what was everybody's taken for one's own


async def test_what_was_lent_lingers_for_one_only(far: Far, tmp_path: Path) -> None:
    far.gate.set()
    keys = []
    async with kept(far, tmp_path, whose, spool=False) as backend:
        for who in (ANNA, ANNA, BOB):
            with acting_for(who):
                async with backend.lend(ONE) as lent:
                    keys.append(lent.key)
    # Looks and renderings are kept by that key.
    assert keys[0] == keys[1] != keys[2]
    assert len(far.asked) == 2


async def test_metadata_are_made_of_ones_own_retrieval(far: Far, tmp_path: Path) -> None:
    far.gate.set()
    async with kept(far, tmp_path, whose) as backend:
        described = Described(Lingering(backend.look_through))
        for who in (ANNA, BOB, ANNA):
            with acting_for(who):
                async with described.describe(SERIES, "http://here") as objects:
                    assert len([each async for each in objects]) == 2
    assert len(far.asked) == 2


async def test_a_job_is_known_to_its_own_client_only(far: Far, tmp_path: Path) -> None:
    far.gate.set()
    async with kept(far, tmp_path, whose) as backend:
        with acting_for(ANNA):
            job = backend.fetch([STUDY])
            await until(lambda: backend.fetching(job.id).ended)
        with acting_for(BOB):
            with pytest.raises(NotFound):
                backend.fetching(job.id)
            with pytest.raises(NotFound):
                backend.stop(job.id)
            assert backend.fetch([STUDY]).id != job.id
        with acting_for(ANNA):
            assert backend.fetch([STUDY]).id == job.id
            backend.stop(job.id)


async def test_without_a_token_nothing_is_given_and_nothing_asked(far: Far, tmp_path: Path) -> None:
    far.gate.set()
    async with kept(far, tmp_path, whose) as backend:
        with acting_for(ANNA):
            await read(backend, STUDY)
        for who in (Principal(), Principal("ct", Proof.AE_TITLE, "CT")):
            with acting_for(who), pytest.raises(Unauthenticated):
                await read(backend, STUDY)
            with acting_for(who), pytest.raises(Unauthenticated):
                backend.fetch([STUDY])
            with acting_for(who), pytest.raises(Unauthenticated):
                async with backend.lend(ONE):
                    pass
    assert len(far.asked) == 1
