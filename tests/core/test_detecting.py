import asyncio
from collections.abc import Mapping, Sequence

import pytest

from hilum.core.changes import Change
from hilum.core.detecting import LOOKED, detect, look
from hilum.model.errors import BackendFault

pytestmark = pytest.mark.anyio


class Far:
    """What a system says, what was seen of it, and who was told."""

    def __init__(self) -> None:
        self.says: dict[str, bytes] = {}
        self.is_cut = False
        self.kept: dict[str, str] = {}
        self.told: list[str] = []
        self.fails = False

    async def look(self) -> tuple[Mapping[str, bytes], bool]:
        return self.says, self.is_cut

    async def seen(self, _mount: str, /) -> Mapping[str, str]:
        return dict(self.kept)

    async def see(self, _mount: str, found: Mapping[str, str], gone: Sequence[str], /) -> None:
        self.kept.update(found)
        for each in gone:
            del self.kept[each]

    async def take(self, mount: str, changes: Sequence[Change], /) -> None:
        assert mount == "PACS"
        if self.fails:
            raise BackendFault("no room")
        self.told += [each.study for each in changes]

    async def looked(self, **says: bytes) -> list[str]:
        """What is told when it says that now."""
        self.says, self.told = says, []
        await look("PACS", self.look, self, [self])
        return self.told


async def test_new_and_changed_studies_are_told_once() -> None:
    far = Far()
    assert await far.looked(a=b"1") == []
    assert await far.looked(a=b"1") == []
    assert await far.looked(a=b"1", b=b"1") == ["b"]
    assert await far.looked(a=b"2", b=b"1") == ["a"]
    assert await far.looked(b=b"1") == []
    assert far.kept.keys() == {LOOKED, "b"}
    assert await far.looked(a=b"2", b=b"1") == ["a"]


async def test_the_first_study_of_an_empty_system_is_told() -> None:
    far = Far()
    assert await far.looked() == []
    assert await far.looked(a=b"1") == ["a"]


async def test_what_could_not_be_kept_is_told_again() -> None:
    far = Far()
    await far.looked()
    far.fails = True
    with pytest.raises(BackendFault):
        await far.looked(a=b"1")
    far.fails = False
    assert await far.looked(a=b"1") == ["a"]


async def test_of_an_answer_that_is_cut_nothing_is_forgotten() -> None:
    far = Far()
    await far.looked(a=b"1", b=b"1")
    far.is_cut = True
    assert await far.looked(b=b"1") == []
    assert await far.looked(a=b"1", b=b"1") == []


async def test_whatever_goes_wrong_it_is_looked_again() -> None:
    far, wrong = Far(), [TypeError("nobody thought of this"), BackendFault("it is off")]

    async def looks() -> tuple[Mapping[str, bytes], bool]:
        if wrong:
            raise wrong.pop()
        return await far.look()

    async with asyncio.TaskGroup() as group:
        detecting = group.create_task(detect("PACS", looks, far, [far], every=0.0))
        while LOOKED not in far.kept:  # noqa: ASYNC110 - told by nobody
            await asyncio.sleep(0)
        detecting.cancel()
    assert not wrong
