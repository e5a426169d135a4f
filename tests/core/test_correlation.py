import asyncio

import pytest

from hilum.core import correlation
from hilum.core.correlation import Correlation, traced, within

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.anyio
async def test_what_is_begun_within_a_request_belongs_to_it() -> None:
    async def named() -> str:
        return correlation.now().request_id

    with within(Correlation("abc")):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(named())
        with within(Correlation("def")):
            assert await named() == "def"
        assert await named() == "abc"
    assert task.result() == "abc"
    assert not await named()
    assert correlation.now().headers() == {}


def test_a_trace_goes_on_under_a_name_of_our_own() -> None:
    one = Correlation("abc")
    traced(one, f"00-{TRACE}-{PARENT}-01", "congo=t61rcWkgMzE")
    assert one.parent == PARENT
    said = one.headers()
    version, trace, span, flags = said["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert len(span) == 16
    assert span not in {PARENT, "0" * 16}
    assert said["tracestate"] == "congo=t61rcWkgMzE"
    assert said["X-Request-ID"] == "abc"


@pytest.mark.parametrize(
    "parent",
    [
        *("", "x", f"00-{TRACE}-{PARENT}", f"ff-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01-x"),
        *(
            f"00-{'0' * 32}-{PARENT}-01",
            f"00-{TRACE}-{'0' * 16}-01",
            f"00-{TRACE.upper()}-{PARENT}-01",
        ),
        f"00-{TRACE}-{PARENT}-01\n",
    ],
)
def test_what_is_no_trace_counts_for_nothing(parent: str) -> None:
    one = Correlation("abc")
    traced(one, parent, "a=b")
    assert one.headers() == {"X-Request-ID": "abc"}


def test_a_later_version_may_have_more_and_a_state_is_printable_or_left_out() -> None:
    one = Correlation()
    traced(one, f"01-{TRACE}-{PARENT}-01-what comes later", "a=\r\nb")
    assert one.trace == TRACE
    assert "tracestate" not in one.headers()
