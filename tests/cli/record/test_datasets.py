from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from tests.samples import GOOD

from hilum.cli.record import datasets
from hilum.cli.record.disguise import Disguise
from hilum.codec.part10 import encode_meta


@pytest.mark.parametrize("path", GOOD[::9], ids=lambda path: path.name)
def test_a_data_set_is_written_again_in_its_syntax_with_zeros_for_pixels(path: Path) -> None:
    file = path.read_bytes()
    syntax = datasets.syntax_of_file(file)
    told = datasets.told_of_file(Disguise(), file)
    assert told is not None
    again = encode_meta("1.2", "1.2", syntax) + datasets.encoded(told, syntax)
    whole = dcmread(BytesIO(file))
    found = dcmread(BytesIO(again))
    assert found.StudyInstanceUID.startswith("2.25.")
    assert found.SOPClassUID == whole.SOPClassUID
    if "PixelData" in whole and not whole["PixelData"].is_undefined_length:
        assert found.PixelData == bytes(len(whole.PixelData))
    if "Rows" in whole:
        assert found.Rows == whole.Rows
    assert datasets.told_of_file(Disguise(), again) is not None


def test_what_cannot_be_read_is_not_told() -> None:
    assert datasets.told_of_file(Disguise(), b"Secret" * 40) is None


def test_a_value_that_is_not_of_its_kind_is_replaced_wherever_it_stands() -> None:
    lies = b"\x08\x00\x60\x00CS\x06\x00Secret"  # Modality
    told = datasets.told(Disguise(), lies, "1.2.840.10008.1.2.1")
    assert told is not None
    assert "Secret" not in str(told)
    assert list(told) == ["00080060"]
