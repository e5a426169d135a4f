import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.process import configured
from typer.testing import CliRunner

from hilum.cli.main import app
from hilum.core.queue import Errand
from hilum.state.queue import Queue
from hilum.state.state import open_state


def errand(key: str, target: str = "ARCHIVE") -> Errand:
    return Errand(kind="publish", target=target, key=key)


def within(folder: Path, work: Callable[[Queue], Awaitable[None]]) -> None:
    async def run() -> None:
        async with open_state(folder / "data" / "state") as state:
            await work(state.queue)

    asyncio.run(run())


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """One errand that was refused, one that failed, and one of another mount that was refused."""

    async def fill(queue: Queue) -> None:
        await queue.put([errand("1.1"), errand("1.2"), errand("1.3", "OTHER")])
        one, two, three = await queue.claim("publish", by="x", lease=60, most=3)
        await queue.bury(one, "it answered 422")
        await queue.again(two, "it is down", two.due)
        await queue.bury(three, "it answered 400")

    file = configured(tmp_path)
    within(tmp_path, fill)
    return file


def asked(config: Path, *arguments: str) -> tuple[int, str, str]:
    ended = CliRunner().invoke(app, ["queue", *arguments, "--config", str(config)])
    return ended.exit_code, ended.stdout, ended.stderr


def said(config: Path, *arguments: str) -> Any:
    code, out, errors = asked(config, *arguments, "--json")
    assert code == 0, errors
    return json.loads(out)


def test_errands_are_listed_with_why_they_failed(config: Path) -> None:
    found = {each["key"]: each for each in said(config, "list")}
    assert {key: each["state"] for key, each in found.items()} == {
        "1.1": "dead",
        "1.2": "waiting",
        "1.3": "dead",
    }
    assert found["1.2"]["reason"] == "it is down"
    assert found["1.2"]["attempts"] == 1
    assert [each["key"] for each in said(config, "list", "--dead", "--target", "OTHER")] == ["1.3"]
    code, out, _ = asked(config, "list", "--limit", "2")
    assert code == 0
    assert "more than these 2" in out
    assert "it answered 422" in asked(config, "list", "--dead")[1]


def test_what_is_dead_is_retried_or_dropped(config: Path) -> None:
    ids = {each["key"]: str(each["id"]) for each in said(config, "list")}
    assert said(config, "retry", ids["1.1"]) == {"count": 1}
    assert [each["key"] for each in said(config, "list", "--dead")] == ["1.3"]
    assert "1 errand is dropped" in asked(config, "drop", "--dead", "--kind", "publish")[1]
    assert "No errand" in asked(config, "list", "--dead")[1]
    assert said(config, "drop", ids["1.1"], ids["1.2"]) == {"count": 2}
    assert "Nothing waits" in asked(config, "list")[1]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["retry"], "say which"),
        (["drop", "1", "--dead"], "say which"),
        (["drop", "1", "--kind", "publish"], "go with --dead"),
        (["retry", "77"], "not there"),
    ],
)
def test_what_is_meant_must_be_said(config: Path, arguments: list[str], why: str) -> None:
    code, _, errors = asked(config, *arguments)
    assert code == 1
    assert why in errors
