from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from pydicom.uid import ImplicitVRLittleEndian
from tests.backends.archive import opened
from tests.backends.archive.opened import find, keep, numbers, retrieved, store
from tests.contract import made
from tests.contract.made import uid

from hilum.model.errors import Conflict
from hilum.model.identity import Level, Ref
from hilum.model.instance import CHUNK

pytestmark = pytest.mark.anyio

Policy = Literal["keep", "replace", "reject"]


@pytest.mark.parametrize("policy", ["keep", "replace", "reject"])
@pytest.mark.parametrize("size", [8, 2 * CHUNK])
async def test_the_same_data_set_is_a_success_and_leaves_one_file(
    tmp_path: Path, policy: Policy, size: int
) -> None:
    one = made.made(PixelData=bytes(size))
    async with opened.archive(tmp_path, policy) as archive:
        await keep(archive, one, one, one)
        assert len(opened.files(tmp_path)) == 1
        assert await retrieved(archive, Ref(study=uid(1))) == [one.data]


async def test_the_nul_that_makes_a_length_even_makes_no_other_data_set(tmp_path: Path) -> None:
    whole = made.made()
    odd = replace(whole, data=whole.data + b"\xe1\x7f\x10\x00LO\x03\x00ABC")
    even, other = (replace(odd, data=odd.data + last) for last in (b"\0", b"D"))
    async with opened.archive(tmp_path, "keep") as archive:
        await keep(archive, odd, even, odd)
        (stored,) = await store(archive, other)
        assert isinstance(stored.failure, Conflict)
        assert await retrieved(archive, Ref(study=uid(1))) == [odd.data]


@pytest.mark.parametrize("policy", ["keep", "reject"])
async def test_the_first_stays_and_the_second_is_refused(tmp_path: Path, policy: Policy) -> None:
    first, second = made.made(), made.made(PatientName="Roe^Richard")
    async with opened.archive(tmp_path, policy) as archive:
        await keep(archive, first)
        (stored,) = await store(archive, second)
        assert isinstance(stored.failure, Conflict)
        assert (stored.study_instance_uid, stored.series_instance_uid) == (uid(1), uid(1, 1))
        assert len(opened.files(tmp_path)) == 1
        assert await retrieved(archive, Ref(study=uid(1))) == [first.data]
        await keep(archive, first)


async def test_the_second_takes_the_place_of_the_first(tmp_path: Path) -> None:
    second = made.made(PatientName="Roe^Richard", PatientID="P9")
    async with opened.archive(tmp_path, "replace") as archive:
        await keep(archive, made.made(), second)
        assert len(opened.files(tmp_path)) == 1
        assert await retrieved(archive, Ref(instance=uid(1, 1, 1))) == [second.data]
        assert await numbers(archive, "00100020", Level.PATIENT) == ["P9"]
        assert await numbers(archive, "00201208", Level.STUDY) == [1]
    async with opened.archive(tmp_path, "replace") as archive:
        assert await retrieved(archive, Ref(instance=uid(1, 1, 1))) == [second.data]


async def test_another_transfer_syntax_is_another_data_set(tmp_path: Path) -> None:
    implicit = made.of(made.dataset(), ImplicitVRLittleEndian)
    async with opened.archive(tmp_path, "replace") as archive:
        await keep(archive, made.made(), implicit)
        assert await retrieved(archive, Ref(study=uid(1))) == [implicit.data]


async def test_an_instance_may_move_to_another_study(tmp_path: Path) -> None:
    async with opened.archive(tmp_path, "replace") as archive:
        await keep(archive, made.made(1, 1, 1), made.made(1, 1, 2), made.made(1, 2, 1))
        moved = made.made(
            1, 1, 1, StudyInstanceUID=uid(7), SeriesInstanceUID=uid(7, 1), PatientID="P7",
            Modality="MR",
        )  # fmt: skip
        await keep(archive, moved)
        assert await numbers(archive, "0020000D", Level.STUDY) == [uid(1), uid(7)]
        assert await numbers(archive, "00201208", Level.STUDY) == [2, 1]
        assert await numbers(archive, "00201206", Level.STUDY) == [2, 1]
        assert await numbers(archive, "00201209", Level.SERIES) == [1, 1, 1]
        assert await numbers(archive, "00201204", Level.PATIENT) == [2, 1]
        assert await numbers(archive, "00080061", Level.STUDY) == ["CT", "MR"]
        back = made.made(1, 1, 1)
        await keep(archive, back)
        assert await numbers(archive, "0020000D", Level.STUDY) == [uid(1)]
        assert await numbers(archive, "00100020", Level.PATIENT) == ["P1"]
        assert await numbers(archive, "00201208", Level.STUDY) == [3]


async def test_a_study_has_the_attributes_of_its_oldest_instance(tmp_path: Path) -> None:
    wrong = {"PatientName": "Wrong", "PatientID": "P8", "StudyDate": "20200101"}
    async with opened.archive(tmp_path, "replace") as archive:
        await keep(archive, *(made.made(1, 1, n, **wrong) for n in (1, 2, 3)))
        await keep(archive, made.made(9, PatientID="P8"))
        for n in (1, 2):
            await keep(archive, made.made(1, 1, n))
            assert len(await find(archive, Level.STUDY, t00100020="P8")) == 2
        await keep(archive, made.made(1, 1, 3))
        (study,) = await find(archive, Level.STUDY, t0020000D=uid(1))
        assert study["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]
        assert study["00080020"]["Value"] == ["20260102"]
        assert await numbers(archive, "00100020", Level.PATIENT) == ["P8", "P1"]
        assert await numbers(archive, "00201204", Level.PATIENT) == [1, 3]
        assert len(await find(archive, Level.STUDY, t00100020="P8")) == 1


async def test_studies_without_a_patient_id_are_patients_of_their_own(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, *(made.made(n, PatientID=None) for n in (1, 2)))
        await keep(archive, made.made(3, PatientID=""))
        await keep(archive, made.made(4, PatientID="X"), made.made(5, PatientID="X"))
        await keep(archive, made.made(6, PatientID="X", IssuerOfPatientID="elsewhere"))
        assert await numbers(archive, "00201200", Level.PATIENT) == [1, 1, 1, 2, 1]


async def test_a_study_keeps_the_name_it_came_with(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made(1, PatientID="X", PatientName="Doe^Jane"))
        await keep(archive, made.made(2, PatientID="X", PatientName="Roe^Richard"))
        names = [each["Alphabetic"] for each in await numbers(archive, "00100010", Level.STUDY)]
        assert names == ["Doe^Jane", "Roe^Richard"]
        (patient,) = await numbers(archive, "00100010", Level.PATIENT)
        assert patient == {"Alphabetic": "Doe^Jane"}


@pytest.mark.parametrize("damage", ["gone", "cut"])
async def test_a_kept_instance_whose_file_is_gone_does_not_stand_in_the_way(
    tmp_path: Path, damage: str
) -> None:
    second = made.made(PatientName="Roe^Richard")
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made())
        (file,) = opened.files(tmp_path)
        if damage == "gone":
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[:-1])
        await keep(archive, second)
        assert await retrieved(archive, Ref(study=uid(1))) == [second.data]
        assert await numbers(archive, "00201208", Level.STUDY) == [1]
        assert [each.name for each in opened.lost(tmp_path)] == [file.name] * (damage == "cut")


async def test_an_instance_of_another_patient_is_kept_with_its_study_and_warned_of(
    tmp_path: Path,
) -> None:
    others = made.made(instance=2, PatientID="P9"), made.made(instance=3, PatientID="")
    async with opened.archive(tmp_path, "keep") as archive:
        (first,) = await store(archive, made.made())
        assert first.warnings == ()
    async with opened.archive(tmp_path, "keep") as archive:
        for stored in await store(archive, *others, made.made(instance=4)):
            astray = stored.sop_instance_uid != uid(1, 1, 4)
            assert stored.failure is None
            assert ("another patient" in " ".join(stored.warnings)) is astray
        assert await numbers(archive, "00201208", Level.STUDY) == [4]
