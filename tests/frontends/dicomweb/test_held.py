from collections.abc import AsyncIterator, Sequence

import pytest

from hilum.frontends.dicomweb import held as module
from hilum.frontends.dicomweb.held import HOLD, Shortfall, held
from hilum.model.errors import BackendFault, Incomplete, NotAcceptable

pytestmark = pytest.mark.anyio


async def given(pieces: Sequence[bytes], error: Exception | None = None) -> AsyncIterator[bytes]:
    for each in pieces:
        yield each
    if error is not None:
        raise error


async def test_a_short_body_is_held_whole() -> None:
    assert await held(given([b"a", b"b"])) == ([b"a", b"b"], True)
    assert await held(given([])) == ([], True)


async def test_of_a_long_one_only_the_beginning() -> None:
    body = given([bytes(HOLD - 1), b"a", b"b"])
    first, ended = await held(body)
    assert (sum(map(len, first)), ended) == (HOLD, False)
    assert await anext(body) == b"b"


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", -1.0)
    assert await held(given([b"a", b"b"])) == ([b"a"], False)


async def test_what_is_missing_is_noted_while_it_can_be_told() -> None:
    short, error = Shortfall(), Incomplete("x", ("1.2",))
    assert [each async for each in short.noted(given([b"a"], error))] == [b"a"]
    assert short.error is error
    late = Shortfall()
    late.close()
    with pytest.raises(Incomplete):
        assert [each async for each in late.noted(given([b"a"], error))]


async def test_what_cannot_be_told_any_more_is_said_when_all_that_can_be_had_is_out() -> None:
    short = Shortfall()
    short.check()
    short.close()
    refused = short.whole(given([], NotAcceptable("x")), "1.2")
    assert [each async for each in refused] == []
    with pytest.raises(Incomplete) as raised:
        short.check()
    assert raised.value.missing == ("1.2",)
    with pytest.raises(Incomplete) as raised:
        await anext(short.noted(given([], Incomplete("x", ("1.4",)))))
    assert (raised.value.missing, raised.value.count) == (("1.4", "1.2"), 2)


async def test_what_was_told_before_may_come_late() -> None:
    short = Shortfall(known=True)
    short.close()
    error = Incomplete("x", ("1.2",))
    assert [each async for each in short.noted(given([b"a"], error))] == [b"a"]


async def test_other_failures_are_not_noted() -> None:
    short = Shortfall()
    with pytest.raises(BackendFault):
        assert [each async for each in short.noted(given([], BackendFault("x")))]
    assert short.error is None


async def test_of_an_instance_that_breaks_off_in_time_nothing_leaves() -> None:
    short = Shortfall()
    assert [each async for each in short.whole(given([b"a"], BackendFault("gone")), "1.2")] == []
    assert short.error is not None
    assert (short.error.missing, short.error.count) == (("1.2",), 1)
    assert [each async for each in short.whole(given([b"a", b"b"]), "1.3")] == [b"a", b"b"]
    await anext(short.noted(given([], Incomplete("x", ("1.4",)))), None)
    assert short.error.missing == ("1.4", "1.2")
    assert short.error.count == 2


async def test_an_instance_that_breaks_off_too_late_is_an_error() -> None:
    short = Shortfall()
    with pytest.raises(BackendFault):
        async for _ in short.whole(given([bytes(HOLD)], BackendFault("gone")), "1.2"):
            pass
    short.close()
    with pytest.raises(BackendFault):
        async for _ in short.whole(given([b"a"], BackendFault("gone")), "1.2"):
            pass
