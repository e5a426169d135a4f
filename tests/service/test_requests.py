import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hilum.model.principal import NOBODY, Principal, Proof
from hilum.service.beside import beside
from hilum.service.requests import NobodyThere, answer, ask
from hilum.state.lock import Lock

pytestmark = pytest.mark.anyio


async def test_who_asks_is_answered(tmp_path: Path) -> None:
    async def do(_who: Principal) -> dict[str, Any]:
        return {"ok": True, "said": "ä"}

    folder = tmp_path / "data" / "requests"
    async with beside(answer(folder, do)):
        while not (folder / "lock").exists():  # noqa: ASYNC110 - told by nobody
            await asyncio.sleep(0.01)
        answers = await asyncio.gather(*(asyncio.to_thread(ask, folder) for _ in range(2)))
    assert answers == [{"ok": True, "said": "ä"}] * 2
    assert [each.name for each in folder.iterdir()] == ["lock"]
    with pytest.raises(NobodyThere, match="no broker runs"):
        ask(folder)


async def test_a_request_that_its_author_still_has_open_is_taken_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows lets nobody remove it until then."""
    unlink, refused = Path.unlink, []

    def unlink_later(path: Path, *, missing_ok: bool = False) -> None:
        if path.suffix == ".ask" and not refused:
            refused.append(path)
            raise PermissionError
        unlink(path, missing_ok=missing_ok)

    async def do(_who: Principal) -> dict[str, Any]:
        return {"ok": True}

    monkeypatch.setattr(Path, "unlink", unlink_later)
    async with beside(answer(tmp_path, do)):
        while not (tmp_path / "lock").exists():  # noqa: ASYNC110 - told by nobody
            await asyncio.sleep(0.01)
        assert await asyncio.to_thread(ask, tmp_path) == {"ok": True}
    assert refused


async def test_for_whom_it_is_asked_is_told(tmp_path: Path) -> None:
    told = []

    async def do(who: Principal) -> dict[str, Any]:
        told.append(who)
        return {}

    ann = Principal("ann", Proof.ADMITTED, address="10.0.0.1")
    async with beside(answer(tmp_path, do)):
        while not (tmp_path / "lock").exists():  # noqa: ASYNC110 - told by nobody
            await asyncio.sleep(0.01)
        for who in (ann, Principal(address="10.0.0.2")):
            await asyncio.to_thread(ask, tmp_path, who)
        (tmp_path / "1.ask").touch()  # of a script
        while not (tmp_path / "1.json").exists():  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    assert told == [ann, Principal(address="10.0.0.2"), NOBODY]


def test_where_nobody_ever_ran_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(NobodyThere, match="no broker runs"):
        ask(tmp_path / "requests")
    assert not (tmp_path / "requests").exists()


def test_who_ended_meanwhile_is_not_waited_for(tmp_path: Path) -> None:
    lock = Lock(tmp_path, "the folder")
    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(ask, tmp_path)
        while not any(tmp_path.glob("*.ask")):
            time.sleep(0.01)
        lock.release()
        with pytest.raises(NobodyThere, match="ended before"):
            asking.result()


async def test_a_folder_that_cannot_be_made_is_told_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").touch()

    async def do(_who: Principal) -> dict[str, Any]:
        return {}

    await answer(tmp_path / "data" / "requests", do)
    assert "hilum reload finds nobody" in caplog.text
