"""Whatever is sent to a reader, it reads it or raises an error of its own, and it is not slow."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.targets import TARGETS, Target

_TELLING = (
    *(b"\xff\xff\xff\xff", b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"SQ", b"UN", b"\0"),
    *(b'"', b",", b";", b"=", b"%", b"{", b"[", b"<", b"\\", b"\r\n", b"../", b"9" * 5000),
)
_PIECES = st.binary(max_size=12) | st.sampled_from(_TELLING)


@st.composite
def changed(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """Good input, with some of its bytes replaced, doubled, left out or cut off."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.sampled_from([0, 1, 2, 4, 40, len(data)]))
        piece = draw(_PIECES | st.just(2 * data[start:end]))
        data = data[:start] + piece + data[end:]
    return data


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_changed_input_raises_nothing_foreign(target: Target, data: st.DataObject) -> None:
    target(data.draw(changed(target.seeds)))


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_good_input_and_none_at_all_are_read(target: Target) -> None:
    for data in (*target.seeds, b"", b"\0", bytes(64), b"\xff" * 64, b"A" * 64):
        target(data)
