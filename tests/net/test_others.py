import asyncio
import os
from pathlib import Path

import pytest
from tests.net.test_letters import two

from hilum.net import others
from hilum.net.letters import Letters
from hilum.net.others import Others, open_others

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(os.name == "nt", reason="there is one process there"),
]


def heard(to: Letters) -> None:
    """As a worker that has opened its doors."""
    to.open("http", lambda connection, _: connection.close(), all_doors=1)


async def again(question: bytes) -> bytes:
    return question * 1_000_000


async def test_each_says_what_it_was_asked_for(tmp_path: Path) -> None:
    with two(tmp_path) as (one, other):
        async with open_others(one, 0, 2) as asks, open_others(other, 1, 2) as answers:
            answers.answer("numbers", again)
            heard(other)
            assert await asks.ask("numbers", b"12") == {1: b"12" * 1_000_000}
            assert await answers_many(asks) == [{1: b"x" * 1_000_000}] * 5


async def answers_many(asks: Others) -> list[object]:
    return [*await asyncio.gather(*(asks.ask("numbers", b"x") for _ in range(5)))]


async def test_who_says_nothing_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(others, "PATIENCE", 0.05)

    async def broken(_: bytes) -> bytes:
        raise ValueError

    with two(tmp_path) as (one, other):
        async with open_others(one, 0, 2) as asks, open_others(other, 1, 2) as answers:
            assert await asks.ask("numbers") == {}  # it does not run yet
            answers.answer("numbers", broken)
            heard(other)
            assert await asks.ask("numbers") == {}
