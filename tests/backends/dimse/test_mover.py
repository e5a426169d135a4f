import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import peers
from tests.backends.dimse.conftest import calls, fill
from tests.backends.dimse.retrieving import clean, here
from tests.contract.made import made, uid
from tests.liar import Liar, Said, answer, lying
from tests.quirky import Claims, Pacs, Point, Quirks, quirky

from hilum.cli.walk.study import study
from hilum.codec.dimse import Service
from hilum.model.errors import BackendError, BackendTimeout, HilumError, UnknownDestination
from hilum.model.identity import Ref
from hilum.model.outcome import Progress

pytestmark = pytest.mark.anyio
INSTANCES = [made(one, two, three) for one in (1, 2) for two in (1, 2) for three in (1, 2, 3)]
FIRST = Ref(study=uid(1))
THERE = "THERE"


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[peers.Peer]:
    with peers.storescp(tmp_path / "sink", aet=THERE) as running:
        yield running


@pytest.fixture
def pacs(sink: peers.Peer) -> Iterator[Pacs]:
    with quirky(INSTANCES, destinations={THERE: sink.port}) as running:
        yield running


async def sent(
    port: int, folder: Path, *refs: Ref, destination: str = THERE, **settings: object
) -> list[Progress]:
    async with here(port, folder, **settings) as us:
        try:
            async with us.mover.send(refs or [FIRST], destination) as progresses:
                found = [each async for each in progresses]
        finally:
            clean(us)
    done = [each.completed + each.failed + each.warning for each in found]
    assert done == sorted(done)
    return found


async def test_the_pacs_sends_and_its_counts_are_told(
    pacs: Pacs, sink: peers.Peer, tmp_path: Path
) -> None:
    seen = await sent(pacs.port, tmp_path)
    assert (seen[-1].completed, seen[-1].failed, seen[-1].remaining) == (6, 0, 0)
    assert [each.remaining for each in seen] == sorted(
        (e.remaining or 0 for e in seen), reverse=True
    )
    assert len(sink.files()) == 6


async def test_several_things_are_one_sending(pacs: Pacs, sink: peers.Peer, tmp_path: Path) -> None:
    refs = [FIRST, Ref(study=uid(2), series=uid(2, 1))]
    seen = await sent(pacs.port, tmp_path, *refs)
    assert (seen[-1].completed, seen[-1].failed, seen[-1].remaining) == (9, 0, 0)
    assert [each.level.value for each in pacs.of("C-MOVE") if each.level] == ["STUDY", "SERIES"]
    assert len(sink.files()) == 9


async def test_a_destination_that_the_pacs_does_not_know_is_told_before_anything(
    pacs: Pacs, tmp_path: Path
) -> None:
    with pytest.raises(UnknownDestination):
        await sent(pacs.port, tmp_path, destination="NOBODY")


@pytest.mark.parametrize(
    ("quirks", "completed", "failed"),
    [
        (Quirks(fails=2), 4, 2),
        (Quirks(fails=2, claims=Claims.SUCCESS), 4, 2),
        (Quirks(fails=9), 0, 6),
        (Quirks(nothing=True), 0, 6),
        (Quirks(only=2), 2, 4),
        (Quirks(silent=True), 6, 0),
        (Quirks(twice=True), 7, 0),
        (Quirks(no_image_level=True), 6, 0),
        (Quirks(no_image_level=True, fails=2), 4, 2),
        (Quirks(early_success=0.1), 6, 0),
    ],
)
async def test_the_last_counts_are_held_against_what_is_listed(
    pacs: Pacs, tmp_path: Path, quirks: Quirks, completed: int, failed: int
) -> None:
    pacs.quirks = quirks
    last = (await sent(pacs.port, tmp_path))[-1]
    assert (last.completed, last.failed, last.remaining) == (completed, failed, 0)
    assert (last.reason is not None) == bool(failed)
    if failed == 6:
        assert len(last.failed_uids) == 6


@pytest.mark.parametrize("point", [Point.BETWEEN, Point.FINAL])
async def test_a_pacs_that_is_lost_has_failed_with_the_rest(
    pacs: Pacs, tmp_path: Path, point: Point
) -> None:
    async with here(pacs.port, tmp_path) as us:
        async with us.mover.send([Ref(study="1.2.3")], THERE) as progresses:
            assert [each async for each in progresses] == [Progress()]
        clean(us)
    pacs.quirks = Quirks(drops=point, after=2, no_image_level=True)
    last = (await sent(pacs.port, tmp_path))[-1]
    assert last.failed >= 1
    assert last.remaining == 0
    assert isinstance(last.reason, BackendError)


async def test_a_silent_pacs_is_not_waited_for_longer_than_configured(
    pacs: Pacs, tmp_path: Path
) -> None:
    pacs.quirks = Quirks(stalls=Point.REQUEST)
    with pytest.raises(BackendTimeout):
        await sent(pacs.port, tmp_path, query_timeout=0.3, retrieve_timeout=0.3)
    pacs.halt()


async def test_who_leaves_stops_the_pacs(pacs: Pacs, tmp_path: Path) -> None:
    pacs.quirks = Quirks(slow=0.05)
    async with here(pacs.port, tmp_path) as us:
        async with us.mover.send([FIRST], THERE) as progresses:
            await anext(progresses)
        clean(us)
        await asyncio.sleep(0.5)
    assert pacs.cancels == 1
    assert len(pacs.sent) < 6


def script(*counts: dict[str, int]) -> object:
    """A peer that lists nothing, and answers a C-MOVE with these counts."""

    async def run(one: Liar) -> None:
        await one.accept()
        while said := await one.message():
            await _answered(one, said)

    async def _answered(one: Liar, said: Said) -> None:
        if said.command.command_field == Service.C_FIND:
            one.say(answer(said, 0xA900), context_id=said.context_id)
            return
        for each in counts[:-1]:
            one.say(answer(said, 0xFF00, **each), context_id=said.context_id)
        one.say(answer(said, 0, **counts[-1]), context_id=said.context_id)

    return run


@pytest.mark.parametrize(
    ("counts", "completed", "failed"),
    [
        ([{"completed": 4, "failed": 0, "warning": 0}], 4, 0),
        ([{"remaining": 1, "completed": 3, "failed": 0, "warning": 0}, {}], 4, 0),
        ([{"remaining": 3, "completed": 1, "failed": 0, "warning": 0}, {}], 1, 3),
        ([{"completed": 2, "failed": 1, "warning": 1}], 2, 1),
    ],
)
async def test_a_final_response_without_counts_proves_no_more_than_those_before(
    tmp_path: Path, counts: list[dict[str, int]], completed: int, failed: int
) -> None:
    async with lying(script(*counts)) as port:  # type: ignore[arg-type]  # made above
        last = (await sent(port, tmp_path))[-1]
    assert (last.completed, last.failed) == (completed, failed)


@pytest.mark.parametrize("kind", ["orthanc", "dcmqrscp"])
async def test_a_real_pacs_sends(tmp_path: Path, sink: peers.Peer, kind: str) -> None:
    if kind == "orthanc":
        running = peers.orthanc(tmp_path / "pacs", modalities={"there": (THERE, sink.port)})
    else:
        running = peers.dcmqrscp(tmp_path / "pacs", moves={THERE: sink.port})
    held = study("MOVER")
    with running as peer:
        await fill(calls(peer.port, peer.aet), held)
        seen = await sent(peer.port, tmp_path, Ref(study=held.uid), aet=peer.aet)
        assert (seen[-1].completed, seen[-1].failed) == (6, 0)
        with pytest.raises(HilumError):
            await sent(peer.port, tmp_path, Ref(study=held.uid), aet=peer.aet, destination="NO")
    assert len(sink.files()) == 6
