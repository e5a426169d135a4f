import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from hilum.model.errors import BackendFault
from hilum.state.thread import done

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("/secret/place"), sa.exc.InvalidRequestError("no such row")]
)
async def test_a_database_that_fails_is_told_without_its_words(error: Exception) -> None:
    def work() -> None:
        raise error

    with ThreadPoolExecutor(1) as thread:
        with pytest.raises(BackendFault, match=r"^the state's database fails$"):
            await done(thread, work)
        assert await done(thread, lambda: 7) == 7
