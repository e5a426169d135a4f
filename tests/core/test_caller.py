import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hilum.core import caller
from hilum.core.caller import Acting, acting_for
from hilum.model.errors import Unauthenticated
from hilum.model.principal import Principal, Proof

pytestmark = pytest.mark.anyio
ANNA = Principal("anna", Proof.TOKEN, token="a.a.a")  # noqa: S106 - no secret
BOB = Principal("bob", Proof.TOKEN, token="b.b.b")  # noqa: S106 - no secret


def nobody() -> bool:
    try:
        caller.token()
    except Unauthenticated:
        return True
    return False


@asynccontextmanager
async def opened(*, fails: bool = False) -> AsyncIterator[str]:
    if fails:
        raise RuntimeError
    yield caller.token()


async def test_there_is_a_caller_as_long_as_something_is_open_for_him() -> None:
    assert nobody()
    async with Acting(ANNA, opened()) as found:
        assert found == caller.token() == "a.a.a"
        async with Acting(BOB, opened()) as inner:
            assert inner == caller.token() == "b.b.b"
        assert caller.token() == "a.a.a"
    assert nobody()


async def test_what_cannot_be_opened_leaves_no_caller() -> None:
    with pytest.raises(RuntimeError):
        async with Acting(ANNA, opened(fails=True)):
            pass
    assert nobody()
    with pytest.raises(RuntimeError), acting_for(ANNA):
        raise RuntimeError
    assert nobody()


async def test_a_caller_without_a_token_is_refused() -> None:
    with acting_for(Principal("ct", Proof.AE_TITLE)), pytest.raises(Unauthenticated):
        caller.whose()


async def test_what_is_got_with_one_token_is_told_from_others_and_does_not_tell_it() -> None:
    with acting_for(ANNA):
        one, again = caller.whose(), caller.whose()
    with acting_for(BOB):
        other = caller.whose()
    assert one == again != other
    assert "a.a.a" not in one
    assert caller.everybodys() == ""


async def test_tasks_keep_the_caller_they_were_begun_for_and_share_none() -> None:
    gate = asyncio.Event()
    seen: dict[str, set[str]] = {}

    async def works(name: str) -> None:
        seen.setdefault(name, set()).add(caller.token())
        await gate.wait()
        seen[name].add(caller.token())

    async def asks(who: Principal, group: asyncio.TaskGroup) -> None:
        async with Acting(who, opened()):
            group.create_task(works(who.name))
            await asyncio.sleep(0)
        assert nobody()

    async with asyncio.TaskGroup() as group:
        for who in (ANNA, BOB):
            group.create_task(asks(who, group))
        await asyncio.sleep(0.01)
        assert nobody()
        gate.set()
    assert seen == {"anna": {"a.a.a"}, "bob": {"b.b.b"}}
