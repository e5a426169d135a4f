"""Whether metadata are still the same, told without making them."""

from pathlib import Path

import pytest
from tests.backends.archive import opened
from tests.backends.archive.opened import keep
from tests.contract import made
from tests.contract.made import uid

from hilum.backends.archive import Archive
from hilum.model.identity import Ref

pytestmark = pytest.mark.anyio

STUDY, SERIES = Ref(study=uid(1)), Ref(study=uid(1), series=uid(1, 1))
INSTANCE = Ref(study=uid(1), series=uid(1, 1), instance=uid(1, 1, 1))
OTHER = Ref(study=uid(1), series=uid(1, 2))
ALL = (STUDY, SERIES, INSTANCE, OTHER)


async def versions(archive: Archive) -> list[str | None]:
    return [await archive.version(ref) for ref in ALL]


async def test_it_changes_with_what_is_described_and_with_nothing_else(tmp_path: Path) -> None:
    async with opened.archive(tmp_path, "replace") as archive:
        assert await versions(archive) == [None] * 4
        await keep(archive, made.made(1, 1, 1), made.made(1, 2, 2))
        first = await versions(archive)
        assert len({*first}) == 3  # the series and its only instance are one
        assert None not in first
        await keep(archive, made.made(2, 1, 1), made.made(1, 1, 1))  # the same again
        assert await versions(archive) == first
        await keep(archive, made.made(1, 1, 3))
        second = await versions(archive)
        changed = [before != after for before, after in zip(first, second, strict=True)]
        assert changed == [True, True, False, False]
        await keep(archive, made.made(1, 1, 1, PatientName="Roe"))  # takes the place of the first
        third = await versions(archive)
        changed = [before != after for before, after in zip(second, third, strict=True)]
        assert changed == [True, True, True, False]
    async with opened.archive(tmp_path, "replace") as archive:
        assert await versions(archive) == third
        assert await archive.version(Ref()) is None
