import pytest
from tests.backends.dimse.trial.known import KNOWN, found, knowing
from tests.contract.made import made, uid
from tests.quirky import Make, Quirks

from hilum.backends.dimse.trial.levels import patients, relational
from hilum.codec.sop_class import PATIENT_ROOT_FIND

pytestmark = pytest.mark.anyio
ALL = (*KNOWN, relational, patients)


@pytest.mark.parametrize("make", Make, ids=lambda each: each.value)
async def test_all_levels_are_answered(make: Make) -> None:
    async with knowing(trials=ALL, make=make) as (known, _):
        for name in ("series_level", "image_level", "patient_level"):
            assert found(known, name).value is True
        assert known.settings == {}


async def test_relational_queries_are_honoured() -> None:
    async with knowing(trials=ALL) as (known, _):
        assert found(known, "relational").value is True


async def test_relational_queries_are_agreed_on_but_not_honoured() -> None:
    async with knowing(Quirks(relational=False, agrees=True), ALL) as (known, _):
        assert found(known, "relational").value is False
        assert known.settings == {"relational": "never"}


@pytest.mark.parametrize("honoured", [False, True])
async def test_relational_queries_are_not_agreed_on(honoured: bool) -> None:  # noqa: FBT001 - a parameter
    async with knowing(Quirks(relational=honoured, agrees=False), ALL) as (known, _):
        assert found(known, "relational").value is False
        assert known.settings == {}


async def test_levels_that_are_not_there() -> None:
    quirks = Quirks(no_image_level=True, no_patient_level=True)
    async with knowing(quirks, ALL) as (known, _):
        assert found(known, "image_level").value is False
        assert found(known, "patient_level").value is False
        assert known.instance is None


async def test_without_patient_root_there_are_no_patients() -> None:
    async with knowing(Quirks(refuses=frozenset((PATIENT_ROOT_FIND,))), ALL) as (known, _):
        assert found(known, "patient_level").value is False


async def test_the_smallest_instance_is_taken() -> None:
    held = [made(1, 1, 1, Rows=512, Columns=512), made(1, 1, 2), made(1, 1, 3, Rows=4)]
    async with knowing(held=held) as (known, _):
        assert known.instance is not None
        assert known.instance.value(0x00080018) == uid(1, 1, 2)
