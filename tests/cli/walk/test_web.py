from pathlib import Path

import httpx
import pytest
from tests.cli.served import served

from hilum.cli.demo import walk
from hilum.cli.walk import web
from hilum.cli.walk.row import Row
from hilum.config.mounts import ArchiveMount
from hilum.config.schema import Settings

pytestmark = pytest.mark.anyio
ROWS = (*web.SERVICE, *web.STORE, *web.SEARCH, *web.RETRIEVE)


async def test_every_row_walks_a_broker_that_works(tmp_path: Path) -> None:
    async with served(tmp_path) as settings:
        outcomes = await walk(settings, ROWS)
    assert [each for each in outcomes if not each.good] == []
    assert len(outcomes) == len(ROWS)


async def test_rows_fail_where_nothing_was_stored(tmp_path: Path) -> None:
    async with served(tmp_path) as settings:
        outcomes = await walk(settings, (*web.SEARCH, *web.RETRIEVE))
    assert not any(each.good for each in outcomes)
    assert outcomes[0].text == "0 studies, expected 1"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.operation)
async def test_no_row_believes_a_server_that_only_says_yes(row: Row, tmp_path: Path) -> None:
    async def yes(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=[] if request.url.path != "/health" else {})

    settings = Settings(mounts={"ARCHIVE": ArchiveMount(path=tmp_path, default=True)})
    [outcome] = await walk(settings, (row,), httpx.MockTransport(yes))
    assert outcome.good is False
