import pytest
from bench.hostile.run import Left
from bench.hostile.watch import GROWTH, SLOPE, as_before, slope


def left(memory: float, descriptors: int = 40) -> Left:
    return Left(memory, descriptors, 30, 11)


@pytest.mark.parametrize(
    ("seen", "level"),
    [
        ([185, 197, 201, 202, 204, 205, 205, 206, 206, 207], True),  # caches fill
        ([185, 190, 200, 200, 200, 320, 200, 201, 200, 201], True),  # a request that takes much
        ([244, 248, 254, 257, 262, 266, 271, 277, 280, 284], False),  # a leak
    ],
)
def test_a_leak_is_told_from_caches_and_peaks(seen: list[int], level: bool) -> None:  # noqa: FBT001
    found = slope([(number + 0.3, left(memory)) for number, memory in enumerate(seen)])
    assert found is not None
    assert (found <= SLOPE) is level


def test_of_few_looks_nothing_is_said() -> None:
    assert slope([(number, left(number)) for number in range(5)]) is None


def test_what_is_left_is_held_against_the_start() -> None:
    assert as_before(left(200), left(200 + GROWTH, 42))
    assert not as_before(left(200), left(201 + GROWTH))
    assert not as_before(left(200), left(200, 43))
