"""The origin as a whole: is it alive, and what of it a real one, and a second Hilum, understand."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests import peers
from tests.backends.dicomweb.served import by_path, lying, origin, over_memory, said
from tests.contract import made
from tests.contract.made import uid
from tests.peers import free_port

from hilum.backends.dicomweb import Origin
from hilum.codec.header import EXPLICIT_LITTLE
from hilum.model import errors
from hilum.model.identity import Level, Ref
from hilum.model.query import Path as Tags
from hilum.model.query import Query

pytestmark = pytest.mark.anyio
STUDY: Tags = (0x0020000D,)
NAME: Tags = (0x00100010,)
HOUSE = [
    made.made(1, 1, 1),
    made.made(1, 1, 2),
    made.made(1, 2, 1),
    made.made(2, PatientName="Roe^Jim"),
]


@pytest.mark.parametrize("health", [200, 204])
async def test_who_is_healthy_is_alive(health: int) -> None:
    async with lying(by_path({"/health": said(health)})) as liar, origin(liar.url) as cloud:
        await cloud.echo()
        assert liar.targets == ["/web/health"]


@pytest.mark.parametrize("root", [200, 204, 404, 405])
@pytest.mark.parametrize("health", [400, 404, 405, 406])
async def test_who_knows_no_health_is_alive_by_its_root(health: int, root: int) -> None:
    answers = by_path(
        {"/health": said(health), "/web": said(root).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"}
    )
    async with lying(answers) as liar, origin(liar.url) as cloud:
        await cloud.echo()
        assert [each.method for each in liar.asked] == ["GET", "HEAD"]


@pytest.mark.parametrize(
    ("health", "root", "kind"),
    [
        (401, 200, errors.BackendFault), (403, 200, errors.BackendFault),
        (404, 401, errors.BackendFault), (404, 403, errors.BackendFault),
        (500, 200, errors.BackendFault), (502, 200, errors.BackendUnavailable),
        (503, 200, errors.OutOfResources), (404, 500, errors.BackendFault),
        (404, 302, errors.BackendFault),
    ],
)  # fmt: skip
async def test_others_are_not_alive(health: int, root: int, kind: type[errors.HilumError]) -> None:
    answers = by_path({"/health": said(health), "/web": said(root)})
    async with lying(answers) as liar, origin(liar.url) as cloud:
        with pytest.raises(kind, match=r"mounts\.CLOUD") as raised:
            await cloud.echo()
        assert ("credentials" in str(raised.value)) is (
            401 in {health, root} or 403 in {health, root}
        )


async def test_nobody_there_is_not_alive() -> None:
    async with origin(f"http://127.0.0.1:{free_port()}") as cloud:
        with pytest.raises(errors.BackendUnavailable):
            await cloud.echo()


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.Orthanc]:
    with peers.orthanc(tmp_path_factory.mktemp("peer") / "orthanc") as peer:
        if peer.dicomweb is None:
            pytest.skip("install orthanc-dicomweb")
        yield peer


@pytest.fixture(params=["orthanc", "hilum"])
async def far(request: pytest.FixtureRequest) -> AsyncIterator[Origin]:
    """A real origin server with the house in it."""
    if request.param == "orthanc":
        peer: peers.Orthanc = request.getfixturevalue("orthanc")
        async with origin(str(peer.dicomweb)) as cloud:
            await _furnish(cloud)
            yield cloud
    else:
        async with over_memory() as cloud:
            await _furnish(cloud)
            yield cloud


async def _furnish(cloud: Origin) -> None:
    async with cloud.open() as session:
        for each in HOUSE:
            stored = await session.store(each.instance())
            assert (stored.failure, stored.warnings) == (None, ())
            assert stored.study_instance_uid
            assert stored.series_instance_uid


async def uids(cloud: Origin, query: Query, tag: str) -> set[str]:
    async with cloud.ask(query) as replies:
        return {each[tag]["Value"][0] async for each in replies}


async def data(cloud: Origin, *refs: Ref) -> dict[str, bytes]:
    async with cloud.retrieve(refs) as retrieval:
        return {
            one.sop_instance_uid: b"".join([chunk async for chunk in one.chunks])
            async for one in retrieval.instances
        }


async def test_a_real_server_is_alive(far: Origin) -> None:
    await far.echo()


async def test_a_real_server_is_searched_at_every_level(far: Origin) -> None:
    assert await uids(far, Query(Level.STUDY), "0020000D") == {uid(1), uid(2)}
    assert await uids(far, Query(Level.STUDY, {NAME: "Roe*"}), "0020000D") == {uid(2)}
    assert await uids(far, Query(Level.STUDY, {STUDY: f"{uid(1)}\\{uid(2)}"}), "0020000D") == {
        uid(1),
        uid(2),
    }
    assert await uids(far, Query(Level.SERIES, {STUDY: uid(1)}), "0020000E") == {
        uid(1, 1),
        uid(1, 2),
    }
    assert len(await uids(far, Query(Level.SERIES), "0020000E")) == 3
    assert len(await uids(far, Query(Level.IMAGE, {STUDY: uid(1)}), "00080018")) == 3
    assert len(await uids(far, Query(Level.IMAGE), "00080018")) == 4
    assert await uids(far, Query(Level.SERIES, {STUDY: "1.9"}), "0020000E") == set()


async def test_a_real_server_gives_what_was_stored(far: Origin) -> None:
    by_uid = {each.sop_instance_uid: each.data for each in HOUSE}
    assert await data(far, Ref(uid(1)), Ref(uid(2))) == by_uid
    assert await data(far, Ref(uid(1), uid(1, 1))) == {
        u: by_uid[u] for u in (uid(1, 1, 1), uid(1, 1, 2))
    }
    for ref in (
        Ref(uid(1), uid(1, 2), uid(1, 2, 1)),
        Ref(instance=uid(1, 2, 1)),
        Ref(series=uid(1, 2)),
    ):
        assert await data(far, ref) == {uid(1, 2, 1): by_uid[uid(1, 2, 1)]}
    assert await data(far, Ref(patient="P2")) == {uid(2, 1, 1): by_uid[uid(2, 1, 1)]}
    assert await data(far, Ref("1.9")) == {}
    assert await data(far, Ref("1.9", "1.9", "1.9")) == {}


async def test_a_real_server_describes_what_it_has(far: Origin) -> None:
    async with far.describe(Ref(uid(1)), "http://us") as objects:
        found = [json.loads(each) async for each in objects]
    assert {each["00080018"]["Value"][0] for each in found} == {
        uid(1, 1, 1),
        uid(1, 1, 2),
        uid(1, 2, 1),
    }
    assert not any("00081190" in each for each in found)
    uris = [each["7FE00010"]["BulkDataURI"] for each in found if "7FE00010" in each]
    assert all(uri.startswith(f"http://us/studies/{uid(1)}/series/") for uri in uris)


async def test_a_real_server_gives_a_value_or_says_that_it_is_not_named(far: Origin) -> None:
    ref = Ref(uid(1), uid(1, 1), uid(1, 1, 1))
    try:
        async with far.bulk(ref, (0x7FE00010,)) as bulk:
            value = b"".join([chunk async for chunk in bulk.chunks])
    except errors.NotOffered:
        return
    assert value == HOUSE[0].data[-8:]
    assert bulk.transfer_syntax_uid == EXPLICIT_LITTLE


async def test_a_large_instance_goes_there_and_back(far: Origin, tmp_path: Path) -> None:
    assert tmp_path
    big = made.made(7, PixelData=bytes(range(256)) * 40_000)
    async with far.open() as session:
        assert (await session.store(big.instance(1024 * 1024))).failure is None
    assert await data(far, Ref(uid(7))) == {uid(7, 1, 1): big.data}
