import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hilum.model.errors import BackendFault, InUse, NotFound
from hilum.model.issued import PREFIX
from hilum.model.principal import Grant, Proof, Right
from hilum.state import tokens as module
from hilum.state.state import open_beside, open_state, prepare
from hilum.state.tokens import Tokens

pytestmark = pytest.mark.anyio
GRANT = Grant(frozenset((Right.STORE, Right.QUERY)), frozenset(("ARCHIVE",)))


@pytest.fixture
async def tokens(tmp_path: Path) -> AsyncIterator[Tokens]:
    async with open_state(tmp_path) as state:
        yield state.tokens


async def test_who_holds_one_may_what_it_grants(tokens: Tokens) -> None:
    made, text = await tokens.create("CT 1", GRANT, 60.0)
    assert text.startswith(f"{PREFIX}{made.id}_")
    assert len(text) > 60
    who = await tokens.holder(text)
    assert who is not None
    assert (who.name, who.proof, who.grants) == ("CT 1", Proof.ISSUED, (GRANT,))
    assert who.token is None  # nobody else shall learn it


async def test_only_its_hash_is_kept(tmp_path: Path) -> None:
    async with open_state(tmp_path) as state:
        made, text = await state.tokens.create("a", GRANT)
        secret = text.removeprefix(f"{PREFIX}{made.id}_").encode()
        for path in tmp_path.iterdir():  # noqa: ASYNC240 - a test may block
            assert secret not in path.read_bytes()


async def test_what_is_nearly_it_opens_nothing(tokens: Tokens) -> None:
    made, text = await tokens.create("a", GRANT)
    _, other = await tokens.create("b", GRANT)
    swapped = f"{PREFIX}{made.id}_{other.rpartition('_')[2]}"
    wrong = [
        swapped,
        text[:-1],
        text + "A",
        text.upper(),
        f"{PREFIX}{made.id}_",
        PREFIX,
        f"{PREFIX}%",
    ]
    for each in (*wrong, "hilum_\udcff_x", "hilum_'; DROP TABLE token; --", PREFIX + "a" * 16_000):
        assert await tokens.holder(each) is None
    assert await tokens.holder(text) is not None


async def test_it_expires(tokens: Tokens) -> None:
    _, text = await tokens.create("a", GRANT, 0.2)
    assert await tokens.holder(text) is not None
    await asyncio.sleep(0.25)  # still remembered
    assert await tokens.holder(text) is None


async def test_revoking_is_seen_by_other_processes_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module.REMEMBERED <= 5
    monkeypatch.setattr(module, "REMEMBERED", 0.2)
    lock = prepare(tmp_path)
    async with (
        open_state(tmp_path, shared=True) as one,
        open_state(tmp_path, shared=True) as other,
        open_beside(tmp_path) as cli,
    ):
        made, text = await cli.tokens.create("a", GRANT)
        assert await one.tokens.holder(text) is not None
        assert await other.tokens.holder(text) is not None
        assert (await cli.tokens.revoke(made.id)).revoked is not None
        await asyncio.sleep(0.25)
        assert await one.tokens.holder(text) is None
        assert await other.tokens.holder(text) is None
    lock.release()


async def test_our_own_revoking_is_seen_at_once(tokens: Tokens) -> None:
    made, text = await tokens.create("a", GRANT)
    assert await tokens.holder(text) is not None
    await tokens.revoke(made.id)
    assert await tokens.holder(text) is None
    with pytest.raises(NotFound):
        await tokens.revoke(made.id)


async def test_one_is_revoked_by_its_name_where_that_is_clear(tokens: Tokens) -> None:
    old, _ = await tokens.create("a", GRANT)
    new, _ = await tokens.create("a", GRANT)
    with pytest.raises(InUse, match=old.id):
        await tokens.revoke("a")
    await tokens.revoke(old.id)
    assert (await tokens.revoke("a")).id == new.id
    with pytest.raises(NotFound):
        await tokens.revoke("a")


async def test_a_list_tells_everything_but_the_text(tokens: Tokens) -> None:
    before = time.time()
    first, text = await tokens.create("a", GRANT, 60.0)
    second, _ = await tokens.create("b", GRANT)
    await tokens.holder(text)
    await tokens.revoke(second.id)
    one, two = await tokens.every()
    assert (one.id, one.name, one.grant, one.expires) == (first.id, "a", GRANT, first.expires)
    assert one.last_used is not None
    assert one.last_used >= before
    assert one.is_good(time.time())
    assert (two.last_used, two.is_good(time.time())) == (None, False)


async def test_the_last_use_is_not_written_at_every_use(tokens: Tokens) -> None:
    tokens._believed.seconds = 0.0
    _, text = await tokens.create("a", GRANT)
    await tokens.holder(text)
    (first,) = await tokens.every()
    await tokens.holder(text)
    (again,) = await tokens.every()
    assert again.last_used == first.last_used


async def test_what_is_remembered_is_bounded(tokens: Tokens) -> None:
    tokens._believed.most = 3
    for number in range(6):
        _, text = await tokens.create(str(number), GRANT)
        await tokens.holder(text)
        await tokens.holder(text + "x")
    assert len(tokens._believed) == 3


async def test_a_broker_that_runs_is_not_disturbed(tmp_path: Path) -> None:
    async with open_state(tmp_path) as broker:
        async with open_beside(tmp_path) as cli:
            _, text = await cli.tokens.create("a", GRANT)
        assert await broker.tokens.holder(text) is not None
    async with open_beside(tmp_path) as cli, open_state(tmp_path) as broker:
        assert await broker.tokens.holder(text) is not None  # it keeps nobody out either


async def test_a_database_that_fails_lets_nobody_in(tmp_path: Path) -> None:
    async with open_state(tmp_path) as state:
        _, text = await state.tokens.create("a", GRANT)
        with sqlite3.connect(tmp_path / "state.db") as direct:
            direct.execute("DROP TABLE token")
        direct.close()
        with pytest.raises(BackendFault):
            await state.tokens.holder(text)
