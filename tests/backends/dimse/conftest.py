"""The peers that the DIMSE backend is tested against, each with one study in it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests import peers

from hilum.backends.dimse.store import PeerStores
from hilum.cli.walk.study import Study, study
from hilum.codec.sop_class import EXPLICIT_LE
from hilum.model.instance import Instance
from hilum.upper_layer.requestor import Remote
from hilum.upper_layer.standing import Timeouts

RECEIVER = "RECEIVER"  # AE title to which C-MOVE may send


@dataclass(frozen=True, slots=True)
class Held:
    """A peer that holds a study.

    Attributes:
        kind: "dcmqrscp", "orthanc" or "hilum".
        receiver: the port at which `RECEIVER` should listen.
    """

    kind: str
    remote: Remote
    study: Study
    receiver: int


def calls(port: int, aet: str, timeout: float = 20.0) -> Remote:
    return Remote(
        host=peers.HOST,
        port=port,
        calling="HILUM_TEST",
        called=aet,
        timeouts=Timeouts(acse=timeout, message=timeout),
    )


async def once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def fill(remote: Remote, held: Study) -> None:
    needs = [(each.sop_class_uid, EXPLICIT_LE) for each in held.slices]
    async with PeerStores(remote).open(needs) as session:
        for each in held.slices:
            stored = await session.store(
                Instance(each.sop_instance_uid, each.sop_class_uid, EXPLICIT_LE, once(each.encoded))
            )
            assert stored.failure is None


@pytest.fixture(scope="session", params=["dcmqrscp", "orthanc", "hilum"])
def held(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Held]:
    folder: Path = tmp_path_factory.mktemp("peer") / "held"
    receiver = peers.free_port()
    match request.param:
        case "dcmqrscp":
            running = peers.dcmqrscp(folder, moves={RECEIVER: receiver})
        case "orthanc":
            running = peers.orthanc(folder, modalities={"receiver": (RECEIVER, receiver)})
        case _:
            config = peers.configuration(
                peers={RECEIVER: receiver}, dimse="accept_unknown_callers = true"
            )
            running = peers.hilum(folder, config)
    with running as peer:
        remote = calls(peer.port, peer.aet)
        kept = study("SCU")
        asyncio.run(fill(remote, kept))
        yield Held(request.param, remote, kept, receiver)
