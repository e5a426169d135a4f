from itertools import pairwise

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hilum.net.exchange import Exchange

HEAD = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def read(connection: h11.Connection, parts: list[bytes]) -> tuple[bytes, list[str]]:
    """The body, and the kinds of all events."""
    body, kinds = b"", []
    for part in parts:
        connection.receive_data(part)
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError:
                return body, [*kinds, "error"]
            if event is h11.NEED_DATA or event is h11.PAUSED:
                break
            if isinstance(event, h11.Data):
                body += event.data
            kinds.append(type(event).__name__)
    return body, kinds


def test_crumbs_come_together() -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % (n % 256) for n in range(20_000)) + b"0\r\n\r\n"
    body, kinds = read(Exchange(65536), [HEAD + chunks])
    assert body == bytes(n % 256 for n in range(20_000))
    assert len(kinds) < 10
    assert kinds[-1] == "EndOfMessage"


piece = st.one_of(
    st.binary(max_size=6).map(lambda data: b"%x\r\n%s\r\n" % (len(data), data) if data else b""),
    st.binary(min_size=1025, max_size=1030).map(lambda data: b"%X\r\n%s\r\n" % (len(data), data)),
    st.sampled_from(
        [b"1;a=b\r\nx\r\n", b"001\r\nx\r\n", b"+1\r\nx\r\n", b"0x1\r\nx\r\n", b"2\r\nx\r\n",
         b"1\nx\n", b"1\r\nxx\r\n", b"0\r\n\r\n", b"0\r\nA: b\r\n\r\n", b"1 \r\nx\r\n", b"1\r\n"]
    ),
)  # fmt: skip


@given(st.lists(piece, max_size=8), st.lists(st.integers(0, 60), max_size=4))
@example([b"1\r\nx\r\n", b"0\r\n\r\n"], [1, 2])
@example([b"1\r\nx\r\n", b"1\r\nxx\r\n"], [])
@pytest.mark.filterwarnings("ignore")
def test_they_are_read_as_h11_reads_them(pieces: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(pieces)
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    parts = [HEAD, *(whole[a:b] for a, b in pairwise(places) if a < b)]
    body, kinds = read(Exchange(65536), parts)
    expected, others = read(h11.Connection(h11.SERVER, 65536), parts)
    assert body == expected
    assert [each for each in kinds if each != "Data"] == [each for each in others if each != "Data"]
