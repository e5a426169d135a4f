import re
from pathlib import Path

import pytest

from hilum.core.fhir.patients import PatientKey
from hilum.state.state import open_state

KEYS = [PatientKey("1"), PatientKey("1", "A"), PatientKey("", "", "1.2"), PatientKey("ü*")]


@pytest.mark.anyio
async def test_ids_stay_and_tell_nothing(tmp_path: Path) -> None:
    async with open_state(tmp_path) as state:
        first = await state.patients.ids("ONE", KEYS)
        assert await state.patients.ids("ONE", KEYS[:2]) == {key: first[key] for key in KEYS[:2]}
        other = await state.patients.ids("TWO", KEYS)
    assert len({*first.values(), *other.values()}) == 2 * len(KEYS)
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in first.values())
    async with open_state(tmp_path) as state:
        assert await state.patients.ids("ONE", KEYS) == first
        names = [*first.values(), "unknown"]
        assert await state.patients.patients("ONE", names) == {first[key]: key for key in KEYS}
        assert await state.patients.patients("TWO", names) == {}


@pytest.mark.anyio
async def test_several_processes_give_the_same_ids(tmp_path: Path) -> None:
    many = [PatientKey(str(number)) for number in range(450)]
    async with open_state(tmp_path) as one, open_state(tmp_path, shared=True) as other:
        first = await one.patients.ids("ONE", many[:300])
        second = await other.patients.ids("ONE", many)
        assert await one.patients.ids("ONE", many) == second
    assert {key: second[key] for key in first} == first
