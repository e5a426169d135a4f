import asyncio
import sys

import pytest

from hilum.service import loop


async def _running() -> str:
    return type(asyncio.get_running_loop()).__module__


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop has no Windows")
def test_work_runs_on_uvloop() -> None:
    assert loop.run(_running()).startswith("uvloop")


def test_without_uvloop_work_runs_on_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop.run(_running()).startswith("asyncio")
