import pytest
from tests.backends.dimse.trial.known import KNOWN, found, knowing
from tests.quirky import Make, Quirks

from hilum.backends.dimse.trial.keys import keys, lists
from hilum.codec.identifier import UNIQUE_KEYS
from hilum.model.identity import Level

pytestmark = pytest.mark.anyio
ALL = (*KNOWN, keys, lists)
NAME, DATE, ACCESSION, IN_STUDY, MODALITY = (
    0x00100010,
    0x00080020,
    0x00080050,
    0x00080061,
    0x00080060,
)


@pytest.mark.parametrize("make", Make, ids=lambda each: each.value)
async def test_keys_are_looked_at(make: Make) -> None:
    async with knowing(trials=ALL, make=make) as (known, _):
        assert found(known, "keys_ignored").value == []
        assert found(known, "modality_lists").value is True
        assert known.settings == {}


@pytest.mark.parametrize("tells", [False, True])
@pytest.mark.parametrize(
    ("ignores", "expected"),
    [
        ({NAME, ACCESSION}, ["PatientName", "AccessionNumber"]),
        ({DATE}, ["StudyDate"]),
        ({IN_STUDY}, ["ModalitiesInStudy"]),
        ({MODALITY}, ["Modality"]),
    ],
)
async def test_ignored_keys_are_noticed(
    ignores: set[int],
    expected: list[str],
    tells: bool,  # noqa: FBT001 - a parameter
) -> None:
    quirks = Quirks(ignores=frozenset(ignores), tells_ignored=tells)
    async with knowing(quirks, ALL) as (known, _):
        finding = found(known, "keys_ignored")
        assert finding.value == expected
        assert ("FF01" in finding.text) is tells
        assert known.dates is (DATE not in ignores)


async def test_all_questions_but_the_second_try_name_the_study() -> None:
    async with knowing(Quirks(ignores=frozenset((NAME,))), ALL) as (_, pacs):
        asked = pacs.of("C-FIND")[-8:]
        broad = [each for each in asked if not each.keys[UNIQUE_KEYS[Level.STUDY],]]
        assert len(broad) == 1
        assert broad[0].keys[DATE,]


async def test_lists_of_modalities_are_not_matched() -> None:
    async with knowing(Quirks(no_lists=True), ALL) as (known, _):
        assert found(known, "modality_lists").value is False
