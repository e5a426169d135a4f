"""kill -9 in the middle of storing: what was acknowledged is there, and nothing half-written."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.backends.archive import opened, storing
from tests.backends.archive.opened import numbers, retrieved
from tests.contract.made import uid

from hilum.model.identity import Level, Ref
from hilum.model.query import Query

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]


def started(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.backends.archive.storing", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
    )


def killed_after(process: subprocess.Popen[bytes], acknowledged: int) -> set[int]:
    """Kill -9 once so many were acknowledged; all that were."""
    assert process.stdout is not None
    found: set[int] = set()
    for line in process.stdout:
        if line.startswith(b"ACK "):
            found.add(int(line[4:]))
            if len(found) == acknowledged:
                process.kill()
    process.wait()
    process.stdout.close()
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "tasks"), [(10, 1), (4, 4)])
async def test_kills_in_the_middle_of_500_instances_lose_nothing(
    tmp_path: Path, kills: int, tasks: int
) -> None:
    chance = random.Random(tasks)  # noqa: S311 - test data
    acknowledged: dict[int, set[int]] = {}
    for study in range(1, kills + 1):
        with started(tmp_path, "keep", study, 500, tasks, 0) as process:
            acknowledged[study] = killed_after(process, chance.randint(1, 499))
        assert process.returncode == -9
        async with opened.archive(tmp_path) as archive:
            for each, expected in acknowledged.items():
                refs = [Ref(study=uid(each))]
                async with archive.retrieve(refs) as retrieval:
                    there = {
                        int(listed.sop_instance_uid.split(".")[-1])
                        for listed in retrieval.manifest or ()
                    }
                assert expected <= there
                assert len(there - expected) <= 2 * tasks  # whole, but their answer was not heard
            for found in await retrieved(archive, Ref(study=uid(study))):
                number = numbers_in(found)
                assert found == storing.instance(study, number).data
            studies = await numbers(archive, "00201208", Level.STUDY)
            async with archive.find(Query(Level.IMAGE)) as matches:
                assert sum(studies) == len([each async for each in matches])
            assert sum(studies) == len(opened.files(tmp_path))
            await archive.echo()


def numbers_in(data: bytes) -> int:
    """The Instance Number of an encoded instance."""
    at = data.index(b"\x20\x00\x13\x00IS") + 8
    return int(data[at : at + data[at - 2]])
