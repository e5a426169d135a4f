import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from hilum.frontends.dicomweb.entity_tag import strong
from hilum.frontends.dicomweb.ranges import Span, span

TAG = strong("one")


def request(method: str = "GET", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "headers": raw})


@pytest.mark.parametrize(
    ("said", "start", "length"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, 100),
        ("bytes=99-", 99, 1),
        ("bytes=10-19", 10, 10),
        ("bytes= 10-19 ", 10, 10),
        ("Bytes=10-1000", 10, 90),
        ("bytes=-1", 99, 1),
        ("bytes=-1000", 0, 100),
        ("bytes=0-9999999999999999999", 0, 100),
    ],
)
def test_a_part_is_asked_for(said: str, start: int, length: int) -> None:
    part = span(request(range=said), 100, TAG)
    assert part == Span(start, length, 100, partial=True)
    assert part.status == 206
    assert ("Content-Range", f"bytes {start}-{start + length - 1}/100") in part.headers


@pytest.mark.parametrize(
    "said",
    ["", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=1-2,5-6", "items=0-1", "bytes=x-1",
     "bytes=0-" + "9" * 30],
)  # fmt: skip
def test_what_is_no_single_range_means_all(said: str) -> None:
    part = span(request(range=said), 100, TAG)
    assert part == Span(0, 100, 100)
    assert part.status == 200


@pytest.mark.parametrize(
    ("said", "size"), [("bytes=100-", 100), ("bytes=-0", 100), ("bytes=0-", 0), ("bytes=-5", 0)]
)
def test_what_begins_behind_the_end_cannot_be_given(said: str, size: int) -> None:
    assert span(request(range=said), size, TAG) is None


def test_only_what_the_client_has_already_is_gone_on_with() -> None:
    whole, part = Span(0, 100, 100), Span(5, 95, 100, partial=True)
    said = {"range": "bytes=5-"}
    assert span(request(**said, if_range=TAG), 100, TAG) == part
    assert span(request(**said, if_range=strong("two")), 100, TAG) == whole
    assert span(request(**said, if_range="Sat, 01 Jan 2000 00:00:00 GMT"), 100, TAG) == whole
    assert span(request(**said, if_range=f"W/{TAG}"), 100, TAG) == whole
    assert span(request(**said, if_range=TAG), 100, None) == whole
    assert span(request("HEAD", **said), 100, TAG) == whole


@given(st.text(max_size=40), st.integers(0, 200))
def test_no_range_goes_beyond_the_payload(said: str, size: int) -> None:
    for text in (said, f"bytes={said}"):
        part = span(request(range=text.encode("utf-8", "replace").decode("latin-1")), size, TAG)
        assert part is None or (part.start >= 0 and part.start + part.length <= size)
