import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.imaging.window import LINEAR, LINEAR_EXACT, SIGMOID, Window, spanning

NUMBERS = st.floats(-1e5, 1e5)


def by_the_book(x: float, c: float, w: float, function: str) -> float:
    """PS3.3 §C.11.2.1.2 and .3, with 0 and 1 for the ends."""
    if function == SIGMOID:
        return 1 / (1 + math.exp(max(-700.0, min(700.0, -4 * (x - c) / w))))
    if function == LINEAR:
        if x <= c - 0.5 - (w - 1) / 2:
            return 0
        if x > c - 0.5 + (w - 1) / 2:
            return 1
        return (x - (c - 0.5)) / (w - 1) + 0.5
    if x <= c - w / 2:
        return 0
    return 1 if x > c + w / 2 else (x - c) / w + 0.5


@given(NUMBERS, NUMBERS, st.floats(1, 1e5), st.sampled_from([LINEAR, LINEAR_EXACT, SIGMOID]))
def test_a_shade_is_what_the_standard_says(x: float, c: float, w: float, function: str) -> None:
    shade = Window(c, w, function).shades(np.array([x]))[0]
    assert shade == pytest.approx(by_the_book(x, c, w, function), abs=1e-6)


def test_a_width_of_one_is_a_threshold() -> None:
    shades = Window(10, 1).shades(np.array([9.0, 9.5, 10, 11]))
    assert shades.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("width", "function", "usable"),
    [(1, LINEAR, True), (0.5, LINEAR, False), (0.5, LINEAR_EXACT, True), (0, SIGMOID, False)],
)
def test_which_widths_can_be(width: float, function: str, *, usable: bool) -> None:
    assert Window(0, width, function).usable == usable


def test_a_window_from_end_to_end() -> None:
    assert spanning(10, 20).shades(np.array([0.0, 10, 15, 20, 30])).tolist() == [0, 0, 0.5, 1, 1]
    assert spanning(5, 5).shades(np.array([4.0, 6])).tolist() == [0, 1]
