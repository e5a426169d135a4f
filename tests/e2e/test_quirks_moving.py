"""What a quirky PACS gives goes on to another peer by C-MOVE: what failed of it is told."""

from pathlib import Path

import anyio
import pytest
from tests.contract.made import uid
from tests.e2e.quirked import UIDS, brokering, patience
from tests.quirks.pacs import Pacs
from tests.quirky import Claims, Point, Quirks, quirky

from hilum.model.identity import Level, Ref
from hilum.model.outcome import Progress

pytestmark = pytest.mark.anyio
WAYS = pytest.mark.parametrize("way", ["get", "move", "passed on"])
B000, A702 = 0xB000, 0xA702
STUDY = Ref(study=uid(1))
UNPROVEN = [
    *[Quirks(fails=each, claims=Claims.ALL) for each in (1, 4)],
    Quirks(early_success=0.2),
    Quirks(drops=Point.FINAL, spares_queries=True),
]
"""Where what the PACS counts is all that anybody here can know of what it sent elsewhere."""


def settings(way: str) -> dict[str, object]:
    """How what is moved leaves the PACS: to the broker, or by itself to the peer."""
    if way == "passed on":
        return {"destinations": ["THIRD"], "retrieve": "get"}
    return {"retrieve": way}


def assert_true(status: int | None, progress: Progress, taken: list[str]) -> None:
    """What is counted as done is there, and everything is counted."""
    assert progress.completed + progress.warning == len(set(taken)), (progress, taken)
    assert progress.completed + progress.warning + progress.failed == 4, progress
    assert not set(progress.failed_uids) & set(taken), (progress, taken)
    assert status == (0 if len(taken) == 4 else B000 if taken else A702), (status, progress)


async def settled(third: Pacs, progress: Progress) -> None:
    """Return once the receiver has noted what it took, or in a second: it does so on its own."""
    for _ in range(50):
        if len(set(third.taken)) >= progress.completed + progress.warning:
            return
        await anyio.sleep(0.02)


@WAYS
async def test_everything_goes_on(tmp_path: Path, way: str) -> None:
    with quirky(aet="THIRD") as third:
        async with brokering(tmp_path, peers={"THIRD": third.port}, **settings(way)) as broker:
            status, progress = await broker.move(STUDY, "THIRD")
            assert_true(status, progress, third.taken)
            assert sorted(third.taken) == UIDS
            one = Ref(study=uid(1), series=uid(1, 2))
            status, progress = await broker.move(one, "THIRD")
            assert (status, progress.completed) == (0, 2)
            asked = broker.pacs.of("C-GET" if way == "get" else "C-MOVE")
            assert [each.level for each in asked] == [Level.STUDY, Level.SERIES]
            status, _ = await broker.move(one, "NOBODY")
            assert status == 0xA801


@WAYS
@pytest.mark.parametrize(
    "quirks",
    [
        *[Quirks(fails=1, claims=each) for each in Claims],
        *[Quirks(fails=4, claims=each) for each in Claims],
        Quirks(nothing=True),
        Quirks(only=1),
        Quirks(silent=True),
        Quirks(early_success=0.2),
        Quirks(drops=Point.BETWEEN, after=2, spares_queries=True),
        Quirks(stalls=Point.BETWEEN, after=2, spares_queries=True),
        Quirks(drops=Point.INSTANCE, after=2, spares_queries=True),
        Quirks(drops=Point.FINAL, spares_queries=True),
    ],
)
async def test_what_the_pacs_does_not_send_has_failed(
    tmp_path: Path, way: str, quirks: Quirks
) -> None:
    with quirky(aet="THIRD") as third:
        async with brokering(
            tmp_path, quirks, peers={"THIRD": third.port}, **settings(way)
        ) as broker:
            status, progress = await broker.move(STUDY, "THIRD")
            if way != "passed on" or quirks not in UNPROVEN:
                await settled(third, progress)
                assert_true(status, progress, third.taken)
            if quirks.drops is Point.FINAL and way == "passed on":
                assert (status, progress.completed, progress.failed) == (B000, 3, 1)


@WAYS
@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(store_status=0xA700),
        Quirks(store_status=0xA700, after=0),
        Quirks(store_status=0x0110, after=3),
        Quirks(drops=Point.TAKING),
        Quirks(drops=Point.TAKEN),
        Quirks(stalls=Point.TAKING),
        Quirks(stalls=Point.TAKEN),
        Quirks(callers=frozenset()),
        Quirks(syntaxes=frozenset()),
    ],
)
async def test_what_the_destination_does_not_take_has_failed(
    tmp_path: Path, way: str, quirks: Quirks
) -> None:
    with quirky(aet="THIRD", quirks=quirks) as third:
        waits = {**patience(quirks), **settings(way)}
        async with brokering(tmp_path, peers={"THIRD": third.port}, **waits) as broker:
            status, progress = await broker.move(STUDY, "THIRD")
            assert_true(status, progress, third.taken)
