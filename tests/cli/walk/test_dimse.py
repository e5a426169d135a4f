import asyncio
from pathlib import Path

import pytest
from tests import peers
from tests.cli.served import served
from tests.liar import Liar, answer, lying

from hilum.cli.demo import walk
from hilum.cli.walk import dimse
from hilum.cli.walk.row import Row
from hilum.cli.walk.study import study
from hilum.config.mounts import ArchiveMount
from hilum.config.schema import DimseSettings, Peer, Settings

pytestmark = pytest.mark.anyio
ROWS = (*dimse.SERVICE, *dimse.STORE, *dimse.SEARCH, *dimse.RETRIEVE)


def only(settings: Settings) -> Settings:
    """The same without the other door, so that the study stored over DIMSE is looked for."""
    frontend = settings.frontend.model_copy(update={"mode": "dimse"})
    return settings.model_copy(update={"frontend": frontend})


async def test_every_row_walks_a_broker_that_works(tmp_path: Path) -> None:
    async with served(tmp_path) as settings:
        outcomes = await walk(only(settings), ROWS)
    assert [each for each in outcomes if not each.good] == []
    assert len(outcomes) == len(ROWS)


async def test_rows_fail_where_nothing_was_stored(tmp_path: Path) -> None:
    async with served(tmp_path) as settings:
        outcomes = await walk(settings, (*dimse.SEARCH, *dimse.RETRIEVE))
    assert not any(each.good for each in outcomes)


async def test_rows_fail_where_nobody_listens() -> None:
    settings = Settings(
        dimse=DimseSettings(port=peers.free_port()), mounts={"ARCHIVE": ArchiveMount(default=True)}
    )
    outcomes = await walk(settings, ROWS)
    assert not any(each.good for each in outcomes)
    assert all("Connection refused" in each.text for each in outcomes)


GIVES = [row for row in ROWS if row.operation.startswith(("C-FIND", "C-GET"))]


@pytest.mark.parametrize("row", GIVES, ids=lambda row: row.operation)
async def test_no_row_believes_a_broker_that_only_says_yes(row: Row) -> None:
    async def script(one: Liar) -> None:
        await one.accept()
        while said := await one.message():
            one.say(answer(said, 0, completed=len(study("DIMSE").slices)))

    async with lying(script) as port:
        settings = Settings(
            dimse=DimseSettings(port=port), mounts={"ARCHIVE": ArchiveMount(default=True)}
        )
        [outcome] = await walk(settings, (row,))
    assert outcome.good is False


async def test_what_is_moved_is_looked_at_where_a_peer_can_be_played(tmp_path: Path) -> None:
    """The broker of this test knows the peer, so it sends to us."""
    port = peers.free_port()
    viewer = {"VIEWER": Peer(aet="VIEWER", host=peers.HOST, port=port)}
    async with served(tmp_path, peers=viewer) as settings:
        outcomes = await walk(only(settings), (*dimse.STORE, *dimse.RETRIEVE))
    moved = [each.text for each in outcomes if each.operation.startswith("C-MOVE")]
    assert all("VIEWER, as stored" in text for text in moved)


async def test_a_peer_that_listens_itself_is_not_played(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _r, w: w.close(), peers.HOST, 0)
    viewer = {
        "VIEWER": Peer(aet="VIEWER", host=peers.HOST, port=server.sockets[0].getsockname()[1])
    }
    try:
        async with served(tmp_path, peers=viewer) as settings:
            outcomes = await walk(only(settings), (*dimse.STORE, *dimse.RETRIEVE))
    finally:
        server.close()
        await server.wait_closed()
    moved = [each for each in outcomes if each.operation.startswith("C-MOVE")]
    assert all(each.good and "to ARCHIVE" in each.text for each in moved)
