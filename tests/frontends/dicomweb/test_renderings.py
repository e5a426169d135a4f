from hilum.frontends.dicomweb.renderings import LARGEST, LIMIT, Renderings
from hilum.imaging.rendered import Rendered


def made(size: int) -> Rendered:
    return Rendered("image/jpeg", bytes(size))


def test_the_last_ones_are_kept() -> None:
    kept = Renderings(10_000)
    for number in range(10):
        kept.put(number, made(2000))
        kept.get(0)
        assert kept.size <= 10_000
    assert [number for number in range(10) if kept.get(number)] == [0, 8, 9]


def test_what_is_large_or_lies_in_a_file_is_not() -> None:
    kept = Renderings()
    kept.put("large", made(LARGEST + 1))
    kept.put("file", Rendered("video/mp4", spans=((0, 10),)))
    kept.put("same", made(5))
    kept.put("same", made(5))
    assert [kept.get(key) is None for key in ("large", "file", "same")] == [True, True, False]
    assert 0 < kept.size < 1000 < LIMIT
