"""What is special about memory; the rest is in tests/contract."""

import pytest
from tests.contract import made

from hilum.backends.memory import Memory
from hilum.model.identity import Level
from hilum.model.query import Query

pytestmark = pytest.mark.anyio


async def test_two_memories_share_nothing() -> None:
    one, other = Memory("ONE"), Memory("OTHER")
    async with one.open() as session:
        await session.store(made.made().instance())
    async with one.find(Query(Level.STUDY)) as matches:
        found = [each.decoded() async for each in matches]
    assert [each["00080054"]["Value"] for each in found] == [["ONE"]]
    async with other.find(Query(Level.STUDY)) as matches:
        assert [each async for each in matches] == []


async def test_an_entity_has_what_all_its_instances_agree_on() -> None:
    memory = Memory()
    async with memory.open() as session:
        for n, comments in ((1, "a"), (2, "b")):
            one = made.made(1, 1, n, ImageComments=comments, StationName="S")
            assert (await session.store(one.instance())).failure is None
    async with memory.find(Query(Level.SERIES, include_all=True)) as matches:
        (found,) = [each.decoded() async for each in matches]
    assert found["00081010"]["Value"] == ["S"]
    assert "00204000" not in found  # Image Comments
