import numpy as np
import pytest
from tests.imaging.headers import BIG, EXPLICIT, dataset, values

from hilum.imaging.lut import Lut, lut_of


def lut(descriptor: list[int], data: bytes, syntax: str = EXPLICIT, signed: int = 0) -> Lut | None:
    made = dataset(PixelRepresentation=signed)
    made.add_new(0x00283002, "US", descriptor)
    made.add_new(0x00283006, "OW", data)
    return lut_of(values(made, syntax))


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG])
def test_what_lies_outside_gets_the_ends(syntax: str) -> None:
    data = np.array([10, 20, 30], "<u2" if syntax == EXPLICIT else ">u2").tobytes()
    found = lut([3, 100, 8], data, syntax)
    assert found is not None
    assert found.values(np.array([0.0, 100, 101, 102, 900])).tolist() == [10, 10, 20, 30, 30]
    assert found.shades(np.array([102.0]))[0] == pytest.approx(30 / 255)


def test_no_entries_are_65536() -> None:
    found = lut([0, 0, 16], np.arange(65536, dtype="<u2").tobytes())
    assert found is not None
    assert found.values(np.array([65535.0]))[0] == 65535


def test_the_first_input_has_the_sign_of_the_pixels() -> None:
    data = bytes(8)
    assert lut([4, 65436, 8], data, signed=1) == Lut(-100, 8, data)
    assert lut([4, 65436, 8], data) == Lut(65436, 8, data)


def test_a_byte_for_each_entry_as_some_write_it() -> None:
    found = lut([4, 0, 8], b"\1\2\3\4")
    assert found is not None
    assert found.entries.tolist() == [1, 2, 3, 4]


def test_entries_of_more_bits_than_are_told() -> None:
    found = lut([2, 0, 8], np.array([0, 4095], "<u2").tobytes())
    assert found is not None
    assert found.bits == 12


def test_what_is_no_table() -> None:
    assert lut_of(None) is None
    assert lut_of(values(PatientID="1")) is None
    assert lut([3, 0, 8], b"") is None
