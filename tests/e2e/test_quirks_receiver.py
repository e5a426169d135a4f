"""A PACS that marks nothing and lists nothing, and calls the very mount that it stands behind."""

from pathlib import Path

import pytest
from tests.e2e.quirked import ONE, UIDS, brokering
from tests.quirky import Quirks

pytestmark = pytest.mark.anyio


async def test_what_it_brings_is_taken_and_never_stored_back(tmp_path: Path) -> None:
    quirks = Quirks(no_originator=True, no_image_level=True)
    async with brokering(tmp_path, quirks, retrieve="move") as broker:
        got = await broker.wado(ONE)
        assert (got.status, got.whole) == (200, True)
        assert sorted(got.uids) == sorted(UIDS)
        assert broker.pacs.taken == []
