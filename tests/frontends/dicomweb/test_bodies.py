from collections.abc import AsyncGenerator

import pytest

from hilum.core.budget import IN_HAND
from hilum.frontends.dicomweb import bodies
from hilum.frontends.dicomweb.bodies import Bodies, Gathered, Given

pytestmark = pytest.mark.anyio


def given(size: int) -> Given:
    return Given({}, bytes(size))


def test_what_nobody_asked_for_goes_first() -> None:
    kept = Bodies(room=100)
    kept.put("a", given(40))
    kept.put("b", given(40))
    assert kept.get("a") is not None
    kept.put("c", given(40))
    assert [name for name in "abc" if kept.get(name)] == ["a", "c"]


def test_room_is_never_exceeded() -> None:
    kept = Bodies(room=100)
    for number in range(50):
        kept.put(str(number), given(30))
        kept.put(str(number), given(30))
    assert [n for n in range(50) if kept.get(str(n))] == [47, 48, 49]
    kept.put("long", given(101))
    kept.put("none", None)
    assert (kept.get("long"), kept.get("none")) == (None, None)


async def pieces(*sizes: int) -> AsyncGenerator[bytes, None]:
    for size in sizes:
        yield bytes(size)


@pytest.mark.parametrize(("sizes", "kept"), [((), 0), ((10, 20), 30), ((600, 600), None)])
async def test_a_body_is_remembered_while_it_passes(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, ...], kept: int | None
) -> None:
    monkeypatch.setattr(bodies, "LARGEST", 100)
    gathered = Gathered(coded=True)
    assert gathered.given([]) is None
    passed = [len(piece) async for piece in gathered.passing(pieces(*sizes))]
    assert passed == list(sizes)
    found = gathered.given([("ETag", "x")])
    assert found == (None if kept is None else Given({"ETag": "x"}, bytes(kept)))


async def test_a_long_body_is_kept_packed_where_that_makes_it_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "LARGEST", 1000)
    gathered = Gathered()
    assert len([piece async for piece in gathered.passing(pieces(900, 5000))]) == 2
    found = gathered.given([("ETag", "x")])
    assert found is not None
    assert (found.headers, found.length) == ({"ETag": "x"}, 5900)
    assert len(found.body) < 100
    assert b"".join([piece async for piece in found.unpacked()]) == bytes(5900)


async def test_what_packing_does_not_make_short_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "LARGEST", 10)
    gathered = Gathered()
    assert len([piece async for piece in gathered.passing(pieces(900))]) == 1
    assert gathered.given([]) is None


async def test_what_breaks_off_is_not_remembered() -> None:
    gathered = Gathered()
    passing = gathered.passing(pieces(1, 2, 3))
    await anext(passing)
    await passing.aclose()
    assert gathered.body is None


async def test_where_others_hold_all_nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IN_HAND, "size", 0)
    before, gathered = IN_HAND.held, Gathered()
    assert [len(piece) async for piece in gathered.passing(pieces(10, 20))] == [10, 20]
    assert gathered.given([]) is None
    assert IN_HAND.held == before


async def test_a_body_that_is_cut_off_is_held_no_more() -> None:
    before, gathered = IN_HAND.held, Gathered()
    passing = gathered.passing(pieces(1000, 1000))
    await anext(passing)
    assert IN_HAND.held > before
    await passing.aclose()
    assert IN_HAND.held == before
