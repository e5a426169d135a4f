import numpy as np
import pytest
from PIL import Image
from tests.imaging.headers import values

from hilum.imaging.annotation import burnt, patient, technique


def test_who_and_how() -> None:
    header = values(
        PatientName="Doe^Jane=x=y",
        PatientID="1234",
        PatientBirthDate="19700131",
        PatientSex="F",
        StudyDate="20250102",
        StudyTime="131501",
        Modality="CT",
        SeriesDescription="Thorax",
        KVP="120",
        SliceThickness="1.500000",
    )
    assert patient(header) == [
        "Doe Jane",
        "1234",
        "* 1970-01-31 female",
        "2025-01-02 13:15",
    ]
    assert technique(header) == ["CT Thorax", "120 kVp  1.5 mm"]
    assert patient(values(Rows=1)) == technique(values(Rows=1)) == []


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("size", [(512, 512), (60, 40), (4, 4), (3000, 500)])
@pytest.mark.parametrize("level", [0, 255])
def test_text_is_seen_on_black_and_on_white(mode: str, size: tuple[int, int], level: int) -> None:
    image = Image.new(mode, size, level if mode == "L" else (level,) * 3)
    shown = burnt(image, ["Doe Jane", "x" * 500], ["CT"])
    assert shown.size == size
    pixels = np.asarray(shown.convert("L"))
    if min(size) > 20:
        assert pixels.min() < 60
        assert pixels.max() > 190
    assert burnt(image, [], []) is image
