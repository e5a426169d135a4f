"""What is stored at a quirky PACS through the broker: never a success that is none."""

from pathlib import Path
from typing import Any

import pytest
from tests.contract.made import made
from tests.e2e.quirked import FOUR, UIDS, Brokered, brokering
from tests.quirky import Point, Quirks

from hilum.codec.sop_class import IMPLICIT_LE

pytestmark = pytest.mark.anyio
NEXT = [made(2)]


async def stowed(broker: Brokered) -> tuple[int, list[str], list[str]]:
    """The status of a STOW-RS of four, what it says is stored, and what failed."""
    answer = await broker.stow(FOUR)
    says: dict[str, Any] = answer.json() if answer.content else {}
    stored = [each["00081155"]["Value"][0] for each in says.get("00081199", {}).get("Value", [])]
    failed = [each["00081155"]["Value"][0] for each in says.get("00081198", {}).get("Value", [])]
    return answer.status_code, stored, failed


QUIRKS = pytest.mark.parametrize(
    "quirks",
    [
        Quirks(),
        Quirks(store_status=0xA700),
        Quirks(store_status=0xA700, after=0),
        Quirks(store_status=0xC000, after=3),
        Quirks(drops=Point.TAKING),
        Quirks(drops=Point.TAKING, after=0),
        Quirks(drops=Point.TAKEN),
        Quirks(stalls=Point.TAKING),
        Quirks(stalls=Point.TAKEN),
        Quirks(drops=Point.TAKEN, after=3),
        Quirks(callers=frozenset()),
        Quirks(stalls=Point.ASSOCIATE),
        Quirks(syntaxes=frozenset()),
        Quirks(syntaxes=frozenset({IMPLICIT_LE})),
    ],
)


@QUIRKS
async def test_stow_tells_what_was_kept(tmp_path: Path, quirks: Quirks) -> None:
    async with brokering(tmp_path, quirks, [], store_timeout=1.5) as broker:
        status, stored, failed = await stowed(broker)
        assert sorted(stored) == sorted(broker.pacs.taken)
        if status in (200, 202, 409):
            assert sorted(stored + failed) == UIDS
            assert status == (200 if not failed else 202 if stored else 409)
        else:
            assert not stored
            assert status >= 500, status
        broker.pacs.quirks = Quirks()
        assert (await broker.stow(NEXT)).status_code == 200


@QUIRKS
async def test_c_store_tells_what_was_kept(tmp_path: Path, quirks: Quirks) -> None:
    async with brokering(tmp_path, quirks, [], store_timeout=1.5) as broker:
        found = await broker.store(FOUR)
        assert [each.sop_instance_uid for each in found] == [each.sop_instance_uid for each in FOUR]
        kept = [each.sop_instance_uid for each in found if each.failure is None]
        assert kept == broker.pacs.taken
        broker.pacs.quirks = Quirks()
        assert all(each.failure is None for each in await broker.store(NEXT))
