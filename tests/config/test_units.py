import pytest

from hilum.config import units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", 0.5),
        ("30s", 30.0),
        ("10m", 600.0),
        ("1.5 h", 5400.0),
        ("1d", 86400.0),
        ("7", 7.0),
        (7, 7.0),
        (0.25, 0.25),
    ],
)
def test_a_time_is_read_in_seconds(text: object, expected: float) -> None:
    assert units.seconds(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5GB", 5 * 10**9),
        ("128KB", 128_000),
        ("64KiB", 65536),
        ("1.5 MiB", 1_572_864),
        ("100b", 100),
        ("0", 0),
        (12, 12),
    ],
)
def test_a_size_is_read_in_bytes(text: object, expected: int) -> None:
    assert units.size(text) == expected


@pytest.mark.parametrize("text", ["", "s", "5 parsec", "-3s", "1h30m", "5GB", True, None, []])
def test_what_is_not_a_time_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match='"500ms"'):
        units.seconds(text)


@pytest.mark.parametrize("text", ["", "GB", "5s", "-3GB", 1.5, True, None])
def test_what_is_not_a_size_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match='"64KiB"'):
        units.size(text)


@pytest.mark.parametrize("value", [0.001, 0.5, 1, 30, 60, 90, 600, 3600, 5400, 86400])
def test_a_time_as_spelt_is_read_again(value: float) -> None:
    assert units.seconds(units.spell_seconds(value)) == pytest.approx(value)


@pytest.mark.parametrize("value", [0, 1, 999, 1000, 1024, 131072, 8 * 10**9, 2**40, 10**12 + 1])
def test_a_size_as_spelt_is_read_again(value: int) -> None:
    assert units.size(units.spell_size(value)) == value
