import asyncio
from pathlib import Path

import pytest

from hilum.core.operations import Send
from hilum.core.transactions import Transaction
from hilum.model.errors import BackendFault, BackendUnavailable
from hilum.model.identity import Ref
from hilum.model.principal import Principal, Proof
from hilum.state.state import open_state, prepare

pytestmark = pytest.mark.anyio
SEND = Transaction(
    uid="1.2",
    operation=Send(
        mount="A", who=Principal(proof=Proof.ADMITTED), destination="B", refs=(Ref("1"),)
    ),
    resource="studies",
)


async def test_what_was_kept_is_there_the_next_time(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "state"
    async with open_state(folder) as state:
        await state.sends.add(SEND)
    async with open_state(folder) as state:
        assert await state.sends.get("1.2") == SEND
    assert {path.name for path in folder.iterdir()} == {"lock", "state.db"}


async def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    async with open_state(tmp_path):
        with pytest.raises(BackendUnavailable, match="another process uses the state's folder"):
            async with open_state(tmp_path):
                pass
    async with open_state(tmp_path):
        pass


async def test_a_folder_or_file_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BackendUnavailable, match="cannot be used"):
        async with open_state(tmp_path / "file"):
            pass
    (tmp_path / "state.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(BackendFault, match="state's database cannot be used"):
        async with open_state(tmp_path):
            pass
    (tmp_path / "state.db").unlink()
    async with open_state(tmp_path):
        pass


async def test_what_was_begun_is_kept_by_who_leaves(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        async with open_state(tmp_path) as state, asyncio.timeout(0):
            await state.sends.add(SEND)
    async with open_state(tmp_path) as state:
        assert await state.sends.get("1.2") in {None, SEND}


async def test_what_is_answered_for_is_on_the_disk(tmp_path: Path) -> None:
    async with open_state(tmp_path) as state:
        with state.sends._engine.connect() as session:
            assert session.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


async def test_several_processes_may_have_what_one_prepared(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    lock = prepare(folder)
    async with open_state(folder, shared=True) as one, open_state(folder, shared=True) as other:
        await one.sends.add(SEND)
        assert await other.sends.get("1.2") == SEND
        with pytest.raises(BackendUnavailable):
            prepare(folder)
    lock.release()
    async with open_state(folder):
        pass
