import pytest
from tests.imaging.headers import values

from hilum.imaging.cine import USUAL, delays


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, [USUAL] * 3),
        ({"FrameTime": 40, "CineRate": 5}, [40, 40, 40]),
        ({"FrameTime": 0, "RecommendedDisplayFrameRate": 20, "CineRate": 5}, [50, 50, 50]),
        ({"CineRate": 5}, [200, 200, 200]),
        ({"FrameTimeVector": [0, 30, 60]}, [30, 60, 30]),
        ({"FrameTimeVector": [0, 30]}, [USUAL] * 3),
        ({"FrameTimeVector": [0, 30, -1]}, [USUAL] * 3),
    ],
)
def test_how_long_frames_are_shown(attributes: dict[str, object], expected: list[float]) -> None:
    assert delays(values(**attributes), 3) == expected
