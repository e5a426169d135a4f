from pathlib import Path

import pytest
from tests import peers
from tests.backends.dimse.retrieving import clean, here
from tests.contract.made import made, uid
from tests.quirky import Point, Quirks, quirky

from hilum.backends.dimse.parts import parts_of
from hilum.codec.sop_class import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from hilum.model.errors import BackendUnavailable
from hilum.model.identity import Ref

pytestmark = pytest.mark.anyio
INSTANCES = [made(one, two, three) for one in (1, 2) for two in (1, 2) for three in (1, 2)]


@pytest.mark.parametrize(
    ("quirks", "sizes"),
    [
        (Quirks(), [4, 2]),
        (Quirks(relational=False), [4, 2]),
        (Quirks(no_image_level=True), [None, None]),
        (Quirks(refuses=frozenset((STUDY_ROOT_FIND, PATIENT_ROOT_FIND))), [None, None]),
        (Quirks(drops=Point.REQUEST), [None, None]),
        (Quirks(stalls=Point.REQUEST), [None, None]),
        (Quirks(endless=True), [None, None]),
    ],
)
async def test_what_should_come_is_asked_before(
    tmp_path: Path, quirks: Quirks, sizes: list[int | None]
) -> None:
    refs = [Ref(study=uid(1)), Ref(study=uid(2), series=uid(2, 1))]
    with quirky(INSTANCES, quirks) as pacs:
        settings = {"query_timeout": 0.5, "query_deadline": 0.7}
        async with here(pacs.port, tmp_path, **settings) as us:
            parts = await parts_of(us.pool, us.mount, refs)
            clean(us)
        pacs.halt()
    assert [None if each.listed is None else len(each.listed) for each in parts] == sizes


async def test_an_idle_association_that_was_dropped_is_not_taken_for_an_answer(
    tmp_path: Path,
) -> None:
    port = 0
    for _ in range(2):
        with quirky(INSTANCES) as pacs:
            port = port or pacs.port
            async with here(pacs.port, tmp_path) as us:
                assert await parts_of(us.pool, us.mount, [Ref(study=uid(1))])
                pacs.quirks = Quirks(drops=Point.REQUEST)
                parts = await parts_of(us.pool, us.mount, [Ref(study=uid(1))])
                assert parts[0].listed is None  # it was dropped both times
                pacs.quirks = Quirks()
                parts = await parts_of(us.pool, us.mount, [Ref(study=uid(1))])
                assert len(parts[0].listed or ()) == 4


async def test_a_pacs_that_is_away_is_told(tmp_path: Path) -> None:
    async with here(peers.free_port(), tmp_path) as us:
        with pytest.raises(BackendUnavailable):
            await parts_of(us.pool, us.mount, [Ref(study=uid(1))])


async def test_the_patient_root_model_names_the_patient_of_the_study(tmp_path: Path) -> None:
    with quirky(INSTANCES) as pacs:
        async with here(pacs.port, tmp_path, information_model="patient") as us:
            (part,) = await parts_of(us.pool, us.mount, [Ref(study=uid(1))])
    assert part.request.patient_root
    assert part.request.keys[(0x00100020,)] == "P1"
    assert len(part.listed or ()) == 4


@pytest.mark.parametrize(("patient", "size"), [("P1", 4), ("P2", 0)])
async def test_a_study_of_somebody_else_is_not_what_was_asked_for(
    tmp_path: Path, patient: str, size: int
) -> None:
    with quirky(INSTANCES) as pacs:
        async with here(pacs.port, tmp_path) as us:
            [part] = await parts_of(us.pool, us.mount, [Ref(study=uid(1), patient=patient)])
    assert part.listed is not None
    assert len(part.listed) == size
