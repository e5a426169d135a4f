"""Mounts that use the Patient Root model, also where the PACS wants a Patient ID (PS3.4 §C.4.1)."""

from pathlib import Path

import pytest
from tests.contract.made import made, uid
from tests.e2e.quirked import FOUR, ONE, SERIES, STUDY, brokering
from tests.quirky import Quirks

from hilum.codec.sop_class import STUDY_ROOT_FIND
from hilum.model.identity import Level

pytestmark = pytest.mark.anyio
HELD = [*FOUR, made(2, PatientID="P2")]
PATIENT_ID = (0x00100020,)


@pytest.mark.parametrize("relational", [True, False])
async def test_searches_find_everything(tmp_path: Path, relational: bool) -> None:  # noqa: FBT001 - a parameter
    quirks = Quirks(relational=relational)
    async with brokering(tmp_path, quirks, HELD, information_model="patient") as broker:
        for path, count in (
            ("studies", 2),
            (f"studies?StudyInstanceUID={uid(2)}", 1),
            ("studies?PatientID=P*", 2),
            ("studies?PatientID=P2", 1),
            (f"{ONE}/series", 2),
            (f"{ONE}/series/{uid(1, 2)}/instances", 2),
            ("series", 3),
            ("instances", 5),
        ):
            answer = await broker.qido(path)
            assert (answer.status_code, len(answer.json())) == (200, count), path
        answers, error = await broker.find(Level.SERIES, {STUDY: uid(1), SERIES: ""})
        assert (len(answers), error) == (2, None)
        answers, error = await broker.find(Level.PATIENT, {PATIENT_ID: ""}, patient_root=True)
        assert (len(answers), error) == (2, None)


async def test_who_wants_a_patient_id_is_told_one_where_there_is_one(tmp_path: Path) -> None:
    quirks = Quirks(relational=False)
    async with brokering(tmp_path, quirks, HELD, information_model="patient") as broker:
        assert len((await broker.qido("studies")).json()) == 2
        asked = broker.pacs.of("C-FIND")
        assert len((await broker.qido("studies")).json()) == 2
        assert len(broker.pacs.of("C-FIND")) == len(asked) + 1  # it is known by now


async def test_without_the_other_model_the_refusal_is_told(tmp_path: Path) -> None:
    quirks = Quirks(relational=False, refuses=frozenset((STUDY_ROOT_FIND,)))
    async with brokering(tmp_path, quirks, HELD, information_model="patient") as broker:
        assert (await broker.qido("studies")).status_code == 400
        assert len((await broker.qido("studies?PatientID=P2")).json()) == 1
