import asyncio
from pathlib import Path

import pytest
from tests.backends.archive import opened
from tests.backends.archive.opened import keep
from tests.contract import made
from tests.contract.made import uid

from hilum.core.backend import Lent
from hilum.model.errors import BackendFault
from hilum.model.identity import Ref

pytestmark = pytest.mark.anyio

HERE = Ref(uid(1), uid(1, 1), uid(1, 1, 1))


def data(lent: Lent) -> bytes:
    return Path(lent.path).read_bytes()[lent.offset :]


async def gone(path: str) -> None:
    async with asyncio.timeout(20):
        while Path(path).exists():  # noqa: ASYNC110, ASYNC240 - a test looks from outside
            await asyncio.sleep(0.005)


async def test_it_is_the_archive_s_own_file(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made())
        async with archive.lend(HERE) as lent:
            assert [Path(lent.path)] == opened.files(tmp_path)
            assert data(lent) == made.made().data


async def test_the_key_is_the_same_after_a_restart(tmp_path: Path) -> None:
    keys = set()
    for _ in range(2):
        async with opened.archive(tmp_path) as archive:
            await keep(archive, made.made())
            async with archive.lend(HERE) as lent:
                keys.add(lent.key)
    assert len(keys) == 1


async def test_a_file_that_is_replaced_stays_as_long_as_somebody_reads_it(tmp_path: Path) -> None:
    second = made.made(PatientName="Roe^Richard", PatientID="P9")
    async with opened.archive(tmp_path, "replace") as archive:
        await keep(archive, made.made())
        async with archive.lend(HERE) as lent, archive.lend(HERE) as again:
            await keep(archive, second)
            async with archive.lend(HERE) as newer:
                assert data(newer) == second.data
                assert newer.key != lent.key
            assert data(lent) == data(again) == made.made().data
        await gone(lent.path)
        assert len(opened.files(tmp_path)) == 1


async def test_a_file_that_somebody_else_removed_is_a_fault_of_ours(tmp_path: Path) -> None:
    async with opened.archive(tmp_path) as archive:
        await keep(archive, made.made())
        opened.files(tmp_path)[0].unlink()
        with pytest.raises(BackendFault):
            async with archive.lend(HERE):
                pass
