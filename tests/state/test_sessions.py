import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hilum.state import sessions as module
from hilum.state.sessions import Sessions
from hilum.state.state import open_beside, open_state

pytestmark = pytest.mark.anyio
TOKEN = "hilum_0123456789abcdef_secret"  # noqa: S105 - no secret


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncIterator[Sessions]:
    async with open_state(tmp_path) as state:
        yield state.sessions


def soon() -> float:
    return time.time() + 60


async def test_what_the_browser_shows_stands_for_its_token_until_it_logs_out(
    sessions: Sessions,
) -> None:
    secret = await sessions.begin(TOKEN, soon())
    another = await sessions.begin("another", soon())
    assert await sessions.token(secret) == TOKEN
    await sessions.end(secret)
    assert await sessions.token(secret) is None
    assert await sessions.token(another) == "another"
    await sessions.end("what never was")


@pytest.mark.parametrize("shown", ["", "x", "x" * 43, "x" * 10_000, "\0", "ä"])
async def test_what_was_never_given_stands_for_nothing(sessions: Sessions, shown: str) -> None:
    await sessions.begin(TOKEN, soon())
    assert await sessions.token(shown) is None


async def test_a_session_ends_with_its_time(sessions: Sessions) -> None:
    assert await sessions.token(await sessions.begin(TOKEN, time.time())) is None
    sessions._believed.seconds = 0.0
    secret = await sessions.begin(TOKEN, time.time() + 0.5)
    while await sessions.token(secret) is not None:
        pass
    assert await sessions.token(secret) is None


async def test_a_session_goes_on_after_a_restart_and_at_every_worker(tmp_path: Path) -> None:
    async with open_state(tmp_path) as state, open_beside(tmp_path) as beside:
        secret = await state.sessions.begin(TOKEN, soon())
        assert await beside.sessions.token(secret) == TOKEN
    async with open_state(tmp_path) as state:
        assert await state.sessions.token(secret) == TOKEN


async def test_who_reads_the_database_learns_neither_token_nor_secret(tmp_path: Path) -> None:
    async with open_state(tmp_path) as state:
        secret = await state.sessions.begin(TOKEN, soon())
        assert await state.sessions.token(secret) == TOKEN
        for path in tmp_path.iterdir():  # noqa: ASYNC240 - a test may block
            assert secret.encode() not in path.read_bytes()
            assert TOKEN.encode() not in path.read_bytes()


async def test_there_are_no_more_than_there_is_room_for(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    sessions._believed.most = 2
    given = [await sessions.begin(str(number), soon()) for number in range(5)]
    assert [await sessions.token(each) for each in given] == [None, None, "2", "3", "4"]
