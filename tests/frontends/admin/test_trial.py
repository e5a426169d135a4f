import asyncio

import pytest

from hilum.frontends.admin import trial as module
from hilum.frontends.admin.trial import Heard, Proposed, Trials
from hilum.model.errors import BackendUnavailable, InUse

pytestmark = pytest.mark.anyio
FOUND = Proposed("PACS", {"retrieve": "get"}, "[mounts.PACS]")


async def ended(trials: Trials) -> None:
    while trials.last is None or trials.last.ended is None:  # noqa: ASYNC110 - told by nobody
        await asyncio.sleep(0.001)


async def test_one_at_a_time_is_tried_and_what_it_finds_can_be_seen_meanwhile() -> None:
    gate = asyncio.Event()

    async def probes(heard: Heard) -> Proposed:
        heard("C-ECHO", "in 4 ms")
        await gate.wait()
        return FOUND

    trials = Trials()
    async with trials.open():
        trial = trials.begin("mount:PACS", probes)
        while not trial.findings:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.001)
        assert trial.ended is None
        with pytest.raises(InUse):
            trials.begin("mount:OTHER", probes)
        gate.set()
        await ended(trials)
        assert (trial.proposed, trial.why) == (FOUND, "")
        assert not trials.stop()
        trials.begin("mount:PACS", probes)
        await ended(trials)


@pytest.mark.parametrize(
    ("error", "why"),
    [(BackendUnavailable("refused"), "refused"), (RuntimeError("x"), "an unexpected fault")],
)
async def test_what_fails_is_told_and_another_one_can_be_tried(error: Exception, why: str) -> None:
    async def probes(_heard: Heard) -> Proposed:
        raise error

    trials = Trials()
    async with trials.open():
        for _ in range(2):
            trial = trials.begin("peer:CT", probes)
            await ended(trials)
            assert trial.why.startswith(why)


async def test_it_is_stopped_by_hand_by_its_time_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def probes(_heard: Heard) -> Proposed:
        await asyncio.Event().wait()
        return FOUND

    trials = Trials()
    async with trials.open():
        first = trials.begin("peer:CT", probes)
        await asyncio.sleep(0)
        assert trials.stop()
        await ended(trials)
        assert first.why == "it was stopped"
        monkeypatch.setattr(module, "LONGEST", 0.01)
        second = trials.begin("peer:CT", probes)
        await ended(trials)
        assert second.why == "it took longer than 0.01 s"
        monkeypatch.setattr(module, "LONGEST", 60.0)
        third = trials.begin("peer:CT", probes)
    assert third.ended is not None
