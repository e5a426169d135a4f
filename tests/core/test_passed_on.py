"""Who sends: what stands behind the mount by itself, or we? (core/broker.py, core/send.py)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from tests.contract.made import made, uid

from hilum.backends.memory import Memory
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.core.operations import Originator, Send
from hilum.model.errors import UnknownDestination
from hilum.model.identity import Ref
from hilum.model.outcome import Progress

pytestmark = pytest.mark.anyio


@dataclass
class Sender:
    """Sends by itself to the destinations that it knows, and counts one."""

    knows: Sequence[str]
    asked: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def send(
        self, _refs: Sequence[Ref], destination: str, _originator: Originator | None = None, /
    ) -> AsyncIterator[AsyncIterator[Progress]]:
        self.asked.append(destination)
        yield self._progress(destination)

    async def _progress(self, destination: str) -> AsyncIterator[Progress]:
        if destination not in self.knows:
            raise UnknownDestination("not here")
        yield Progress(remaining=1)
        yield Progress(completed=1)


async def sent(
    far: Sender,
    destination: str,
    passed_on: frozenset[str] | None,
    itself: frozenset[str] = frozenset(),
) -> tuple[Progress, Memory]:
    """The last progress, and what a peer and a mount of ours got: the same memory."""
    source, here = Memory(), Memory()
    await source.store(made(1, 1, 1).instance())
    mounts = {
        "FAR": Mount(
            name="FAR",
            backend="dimse",
            retrieves=source,
            sends=far,
            passed_on=passed_on,
            itself=itself,
        ),
        "OURS": Mount(name="OURS", backend="archive", stores=here),
    }
    broker = Broker(Mounts(mounts, None), {"PEER": here})
    operation = Send(mount="FAR", refs=(Ref(study=uid(1)),), destination=destination)
    last = Progress()
    async with broker.send(operation) as progresses:
        async for each in progresses:
            last = each
    return last, here


@pytest.mark.parametrize(
    ("destination", "passed_on", "knows", "asked", "is_ours"),
    [
        ("PEER", frozenset({"PEER"}), ["PEER"], ["PEER"], False),
        ("PEER", frozenset(), ["PEER"], [], True),
        ("PEER", None, ["PEER"], ["PEER"], False),
        ("PEER", frozenset({"PEER"}), [], ["PEER"], True),  # A801: then we do it
        ("PEER", None, [], ["PEER"], True),
        ("OURS", None, ["OURS"], [], True),  # that of the far side would be another one
        ("OURS", frozenset({"OURS"}), ["OURS"], ["OURS"], False),  # somebody says that it is not
    ],
)
async def test_who_sends(
    destination: str,
    passed_on: frozenset[str] | None,
    knows: list[str],
    asked: list[str],
    *,
    is_ours: bool,
) -> None:
    far = Sender(knows)
    last, here = await sent(far, destination, passed_on)
    assert far.asked == asked
    assert (last.completed, last.failed) == (1, 0)
    assert len(here._kept) == is_ours


async def test_a_destination_that_nobody_knows_is_told() -> None:
    with pytest.raises(UnknownDestination):
        await sent(Sender([]), "NOBODY", None)


async def test_nothing_is_fetched_to_be_stored_where_it_is() -> None:
    with pytest.raises(UnknownDestination, match="there already"):
        await sent(Sender([]), "PEER", frozenset(), frozenset({"PEER"}))
    last, here = await sent(Sender(["PEER"]), "PEER", frozenset({"PEER"}), frozenset({"PEER"}))
    assert (last.completed, here._kept) == (1, {})  # somebody said that it is to be asked for that
