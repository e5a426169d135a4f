from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hilum.core import operations as ops
from hilum.core.backend import Found
from hilum.core.broker import Broker
from hilum.core.mounts import Mount, Mounts
from hilum.model.errors import BackendUnavailable, Forbidden, NotOffered, UnknownMount
from hilum.model.identity import Level, Ref
from hilum.model.match import Match
from hilum.model.query import Query

pytestmark = pytest.mark.anyio
QUERY = Query(level=Level.STUDY)


class Alive:
    """Echoes and finds; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Query] = []

    async def echo(self) -> None:
        return

    @asynccontextmanager
    async def find(self, query: Query, /) -> AsyncIterator[Found]:
        self.asked.append(query)
        yield Found(self._none())

    async def _none(self) -> AsyncIterator[Match]:
        for match in ():
            yield match


class Dead:
    """Does not echo."""

    async def echo(self) -> None:
        raise BackendUnavailable("nobody listens")


def broker(**offered: object) -> Broker:
    mount = Mount(name="M", backend="test", **offered)  # type: ignore[arg-type]  # test doubles
    return Broker(Mounts({"M": mount}, None))


async def test_an_operation_goes_to_the_backend_of_its_mount() -> None:
    alive = Alive()
    async with broker(finds=alive).find(ops.Find(mount="M", query=QUERY)) as matches:
        assert [match async for match in matches] == []
    assert alive.asked == [QUERY]


async def test_an_echo_is_true_and_timed() -> None:
    assert await broker(echoes=Alive()).echo(ops.Echo(mount="M")) >= 0
    with pytest.raises(BackendUnavailable):
        await broker(echoes=Dead()).echo(ops.Echo(mount="M"))


@pytest.mark.parametrize("name", ["find", "retrieve", "describe", "bulk", "store", "send", "give"])
def test_what_a_mount_lacks_is_refused_by_name_at_once(name: str) -> None:
    ref = Ref(study="1.2")
    operation = {
        "find": ops.Find(mount="M", query=QUERY),
        "retrieve": ops.Retrieve(mount="M", refs=(ref,)),
        "describe": ops.Describe(mount="M", ref=ref, bulk_root=""),
        "bulk": ops.Bulk(mount="M", ref=ref, path=(0x7FE00010,)),
        "store": ops.Store(mount="M"),
        "send": ops.Send(mount="M", refs=(ref,), destination="D"),
        "give": ops.Retrieve(mount="M", refs=(ref,)),
    }[name]
    arguments = (operation, None) if name == "give" else (operation,)
    with pytest.raises(NotOffered, match="M does not offer"):
        getattr(broker(), name)(*arguments)


def test_who_may_not_is_refused_before_anything_is_looked_up() -> None:
    def nobody(_operation: ops.Operation, /) -> None:
        raise Forbidden("not you")

    with pytest.raises(Forbidden):
        Broker(Mounts({}, None), authorise=nobody).find(ops.Find(mount="X", query=QUERY))
    with pytest.raises(UnknownMount):
        Broker(Mounts({}, None)).find(ops.Find(mount="X", query=QUERY))
