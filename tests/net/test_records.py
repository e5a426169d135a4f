import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.net.records import RECORD, Records

MOST = 4 * RECORD


def pieces(lengths: list[int]) -> list[bytes]:
    return [bytes([number % 251]) * length for number, length in enumerate(lengths)]


@given(
    st.lists(
        st.one_of(
            st.integers(0, 40), st.sampled_from([RECORD - 1, RECORD, RECORD + 1, 3 * MOST + 5])
        ),
        max_size=12,
    ),
    st.integers(0, 5),
)
def test_all_leaves_in_order_and_in_whole_records(lengths: list[int], later: int) -> None:
    waiting, given_ = Records(), pieces(lengths)
    waiting.add(given_[later:])
    left, sizes = bytearray(), []
    while waiting.size:
        first = bytes(waiting.first(MOST))
        waiting.add([])
        assert bytes(waiting.first(RECORD)) == first  # the same again, whatever is asked
        assert 0 < len(first) <= MOST
        left += first
        sizes.append(len(first))
        waiting.sent()
    assert left == b"".join(given_[later:])
    assert not [each for each in sizes[:-1] if each % RECORD]


def test_what_is_added_meanwhile_comes_behind() -> None:
    waiting = Records()
    waiting.add([b"first"])
    assert waiting.first(MOST) == b"first"
    waiting.add([b"second"])
    waiting.sent()
    assert (waiting.first(MOST), waiting.size) == (b"second", 6)


@pytest.mark.parametrize("length", [RECORD, 10 * MOST])
def test_long_pieces_are_not_copied(length: int) -> None:
    waiting, long = Records(), bytes(length)
    waiting.add([long])
    first = waiting.first(MOST)
    assert first is long or (isinstance(first, memoryview) and first.obj is long)


def test_all_is_forgotten() -> None:
    waiting = Records()
    waiting.add([b"one"])
    waiting.first(MOST)
    waiting.clear()
    waiting.add([b"another"])
    assert waiting.first(MOST) == b"another"
