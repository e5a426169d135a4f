"""Metadata made of answers says nothing that the instances do not say."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.contract import made
from tests.contract.made import Made, uid

from hilum.backends.memory import Memory
from hilum.codec import dicom_json
from hilum.core import found_described
from hilum.core.backend import Describes, Found
from hilum.core.found_described import FoundDescribed
from hilum.model.errors import BackendUnavailable, BadQuery, HilumError, NotOffered
from hilum.model.identity import Ref
from hilum.model.query import Query

pytestmark = pytest.mark.anyio

ROOT = "http://h/aets/A"
PLACED: dict[str, Any] = {
    "ImagePositionPatient": [0.0, 0.0, 1.5],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [0.5, 0.5],
}
SCALED: dict[str, Any] = {"RescaleSlope": 1, "RescaleIntercept": -1024}
SLICE = {**PLACED, **SCALED, "WindowCenter": 40, "WindowWidth": 400}


class Asked:
    """Searches as a memory does, and as it is told; counts."""

    def __init__(self, kept: Memory, *, left_out: str = "") -> None:
        self._kept = kept
        self._left_out = left_out
        self.error: HilumError | None = None
        self.warnings: list[str] = []
        self.count = 0

    @asynccontextmanager
    async def find(self, query: Query, /) -> AsyncIterator[Found]:
        self.count += 1
        if self.error is not None:
            raise self.error
        async with self._kept.find(query) as found:
            yield Found(self._each(found), self.warnings)

    async def _each(self, found: Found) -> AsyncIterator[Any]:
        async for each in found:
            decoded = {key: dict(value) for key, value in each.decoded().items()}
            if self._left_out in decoded:
                decoded[self._left_out].pop("Value", None)
            yield Answer(decoded)


class Answer:
    def __init__(self, attributes: dict[str, Any]) -> None:
        self._attributes = attributes

    def decoded(self) -> dict[str, Any]:
        return self._attributes


async def memory(*instances: Made) -> Memory:
    kept = Memory("HERE")
    async with kept.open() as session:
        for each in instances:
            assert (await session.store(each.instance())).failure is None
    return kept


async def objects(describes: Describes, ref: Ref) -> list[dict[str, Any]]:
    async with describes.describe(ref, ROOT) as found:
        return [dicom_json.loads(each) async for each in found]


def is_partial(objects: list[dict[str, Any]]) -> bool:
    """Whether they were made of answers: then nothing is said of the pixels' place."""
    return all("7FE00010" not in each for each in objects)


@pytest.mark.parametrize(
    "ref", [Ref(study=uid(1)), Ref(study=uid(1), series=uid(1, 1)),
            Ref(study=uid(1), series=uid(1, 1), instance=uid(1, 1, 2))]
)  # fmt: skip
async def test_it_is_part_of_what_the_instances_say(ref: Ref) -> None:
    slices = [made.made(1, 1, n, **SLICE, PatientName="Müller^Jörg") for n in range(1, 4)]
    kept = await memory(*slices, made.made(2, 1, 1, **SLICE))
    asked = Asked(kept)
    found = await objects(FoundDescribed(asked, kept), ref)
    whole = {each["00080018"]["Value"][0]: each for each in await objects(kept, ref)}
    assert asked.count == 1
    assert is_partial(found)
    assert [each["00080018"]["Value"][0] for each in found] == [*whole]
    for each in found:
        full = whole[each["00080018"]["Value"][0]]
        assert each == {key: full[key] for key in each}
        for key in ("00280010", "00200032", "00281053", "00281050", "00100010", "00080005"):
            assert key in each


NOT_ENOUGH: list[dict[str, Any]] = [
    {**SLICE, "Rows": None},
    {**SLICE, "BitsStored": None},
    {**SLICE, "PixelRepresentation": None},
    {**PLACED},
    {**SCALED},
    {"Modality": "MR", **SCALED},
    {"Modality": "PT", **SLICE},
    {**SLICE, "PhotometricInterpretation": "PALETTE COLOR"},
    {**SLICE, "SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"},
    {**SLICE, "SamplesPerPixel": 1, "PhotometricInterpretation": "RGB"},
    {**SLICE, "NumberOfFrames": 2},
]


@pytest.mark.parametrize("attributes", NOT_ENOUGH)
async def test_what_lacks_something_is_described_whole(attributes: dict[str, Any]) -> None:
    kept = await memory(made.made(1, 1, 1, **SLICE), made.made(1, 1, 2, **attributes))
    found = await objects(FoundDescribed(Asked(kept), kept), Ref(study=uid(1)))
    assert len(found) == 2
    assert all("7FE00010" in each for each in found)


@pytest.mark.parametrize(
    "attributes",
    [
        {**SLICE, "NumberOfFrames": 1},
        {"Modality": "MR", **PLACED},
        {"Modality": "PT", **SLICE, "Units": "BQML"},
        {"Modality": "CR"},
        {
            "Modality": "US",
            "SamplesPerPixel": 3,
            "PhotometricInterpretation": "RGB",
            "PlanarConfiguration": 0,
        },
    ],
)
async def test_what_has_all_of_it_is_not_retrieved(attributes: dict[str, Any]) -> None:
    kept = await memory(made.made(1, 1, 1, **attributes))
    assert is_partial(await objects(FoundDescribed(Asked(kept), kept), Ref(study=uid(1))))


async def test_an_empty_answer_is_no_answer() -> None:
    kept = await memory(made.made(1, 1, 1, **SLICE))
    found = await objects(FoundDescribed(Asked(kept, left_out="00281052"), kept), Ref(study=uid(1)))
    assert not is_partial(found)
    found = await objects(FoundDescribed(Asked(kept, left_out="00281050"), kept), Ref(study=uid(1)))
    assert is_partial(found)
    assert "00281050" not in found[0]


@pytest.mark.parametrize("error", [BadQuery("no"), NotOffered("no")])
async def test_who_does_not_answer_so_is_retrieved_from(error: HilumError) -> None:
    kept = await memory(made.made(1, 1, 1, **SLICE))
    asked = Asked(kept)
    asked.error = error
    assert not is_partial(await objects(FoundDescribed(asked, kept), Ref(study=uid(1))))


async def test_answers_that_are_not_certain_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = await memory(*(made.made(1, 1, n, **SLICE) for n in range(1, 4)))
    asked = Asked(kept)
    asked.warnings = ["there may be more"]
    assert not is_partial(await objects(FoundDescribed(asked, kept), Ref(study=uid(1))))
    asked.warnings = []
    monkeypatch.setattr(found_described, "MOST", 2)
    assert not is_partial(await objects(FoundDescribed(asked, kept), Ref(study=uid(1))))
    assert await objects(FoundDescribed(asked, kept), Ref(study=uid(9))) == []


async def test_what_is_here_needs_no_question() -> None:
    kept = await memory(made.made(1, 1, 1, **SLICE))
    asked = Asked(kept)
    found = await objects(FoundDescribed(asked, kept, lambda _: True), Ref(study=uid(1)))
    assert (asked.count, is_partial(found)) == (0, False)


async def test_who_is_down_is_said_to_be() -> None:
    kept = await memory(made.made(1, 1, 1, **SLICE))
    asked = Asked(kept)
    asked.error = BackendUnavailable("down")
    with pytest.raises(BackendUnavailable):
        await objects(FoundDescribed(asked, kept), Ref(study=uid(1)))


async def test_values_come_from_the_instance() -> None:
    kept = await memory(made.made(1, 1, 1, **SLICE))
    ref = Ref(study=uid(1), series=uid(1, 1), instance=uid(1, 1, 1))
    async with FoundDescribed(Asked(kept), kept).bulk(ref, (0x7FE00010,)) as value:
        assert value.size == 8
