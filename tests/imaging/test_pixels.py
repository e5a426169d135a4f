from hilum.imaging.pixels import Pixels


def test_a_frame_of_words() -> None:
    assert Pixels("1.2.840.10008.1.2.1", rows=2, columns=3).bits == 2 * 3 * 16


def test_subsampled_chrominance_takes_two_samples_a_pixel() -> None:
    pixels = Pixels(
        "1.2.840.10008.1.2.1",
        rows=2,
        columns=4,
        samples=3,
        photometric="YBR_FULL_422",
        allocated=8,
        stored=8,
    )
    assert pixels.bits == 2 * 4 * 2 * 8


def test_one_bit() -> None:
    assert Pixels("1.2.840.10008.1.2.1", rows=3, columns=3, allocated=1, stored=1).bits == 9
