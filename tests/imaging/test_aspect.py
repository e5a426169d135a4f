import pytest
from pydicom import Dataset
from tests.imaging.headers import dataset, values

from hilum.imaging.aspect import height_of_pixel


@pytest.mark.parametrize(
    ("attributes", "height"),
    [
        ({}, 1),
        ({"PixelSpacing": [0.5, 0.5]}, 1),
        ({"PixelSpacing": [0.6, 0.3]}, 2),
        ({"PixelSpacing": [0.3, 0.6]}, 0.5),
        ({"ImagerPixelSpacing": [2, 1]}, 2),
        ({"NominalScannedPixelSpacing": [2, 1]}, 2),
        ({"PixelAspectRatio": [4, 2]}, 2),
        ({"PixelSpacing": [1, 1], "ImagerPixelSpacing": [2, 1], "PixelAspectRatio": [3, 1]}, 1),
        ({"PixelSpacing": [1.2, 1.201]}, 1),  # nobody sees it
        ({"PixelSpacing": [0, 1], "PixelAspectRatio": [2, 1]}, 2),
        ({"PixelSpacing": [1000, 1]}, 1),
        ({"PixelAspectRatio": [1]}, 1),
    ],
)
def test_what_the_header_says(attributes: dict[str, object], height: float) -> None:
    assert height_of_pixel(values(**attributes), 0) == pytest.approx(height)


def measured(*spacing: float) -> Dataset:
    return dataset(PixelMeasuresSequence=[dataset(PixelSpacing=[*spacing])])


def test_a_frame_may_have_its_own() -> None:
    header = values(
        PixelSpacing=[5, 1],
        SharedFunctionalGroupsSequence=[measured(2, 1)],
        PerFrameFunctionalGroupsSequence=[Dataset(), measured(3, 1)],
    )
    assert [height_of_pixel(header, number) for number in (0, 1, 2)] == [2, 3, 2]
