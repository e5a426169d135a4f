import asyncio

import pytest

from hilum.frontends.admin import health
from hilum.frontends.admin.health import Health
from hilum.model.errors import BackendUnavailable, NotOffered

pytestmark = pytest.mark.anyio


async def test_each_is_asked_once_while_what_is_known_is_fresh() -> None:
    asked: list[str] = []

    async def lives() -> float:
        asked.append("lives")
        return 0.002

    async def down() -> float:
        raise BackendUnavailable("it does not answer")

    async def cannot() -> float:
        raise NotOffered("no")

    known = Health()
    async with known.asking():
        for _ in range(2):
            found = await known.look({"a": lives, "b": down, "c": cannot}, fresh=60)
            assert [each.state for each in found.values()] == ["healthy", "unhealthy", "unknown"]
        await known.ask("a", lives)
    assert (found["a"].milliseconds, found["b"].why) == (2.0, "it does not answer")
    assert asked == ["lives", "lives"]


async def test_a_page_does_not_wait_for_one_that_is_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "_WAIT", 0.01)
    answers = asyncio.Event()

    async def slow() -> float:
        await answers.wait()
        return 1.0

    known = Health()
    async with known.asking():
        assert (await known.look({"a": slow}, fresh=60))["a"].state == "asked"
        answers.set()
        assert (await known.ask("a", slow)).state == "healthy"
    assert known.known("b") is None


async def test_one_that_never_answers_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE", 0.01)

    async def never() -> float:
        await asyncio.Event().wait()
        return 0.0

    known = Health()
    async with known.asking():
        assert (await known.ask("a", never)).why == "no answer within 0.01 s"
        monkeypatch.setattr(health, "PATIENCE", 3600.0)
        monkeypatch.setattr(health, "_WAIT", 0.0)
        await known.look({"b": never}, fresh=60)  # given up with the block


async def test_a_fault_of_ours_while_one_is_asked_ends_nothing_else() -> None:
    async def gone() -> float:
        raise KeyError("a peer that a reload has just taken away")

    async def lives() -> float:
        return 0.001

    known = Health()
    async with known.asking():
        assert (await known.ask("a", gone)).why == "an unexpected fault; the log has more of it"
        assert (await known.ask("b", lives)).state == "healthy"
