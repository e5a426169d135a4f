import time

from hilum.core.believed import Believed


def test_it_holds_for_so_long_from_the_look_on() -> None:
    believed: Believed[str, int] = Believed(1000.0, 10)
    now = time.monotonic()
    believed.put("a", 1, now)
    believed.put("late", 2, now - 1000.0)
    assert (believed.get("a"), believed.get("late"), believed.get("b")) == (1, None, None)
    assert len(believed) == 1
    believed.seconds = 0.0
    assert believed.get("a") is None


def test_the_oldest_make_room() -> None:
    believed: Believed[int, int] = Believed(1000.0, 3)
    for number in (1, 2, 3, 1, 4):
        believed.put(number, number, time.monotonic())
    assert [believed.get(number) for number in range(1, 5)] == [1, None, 3, 4]


def test_what_is_known_to_be_over_is_forgotten() -> None:
    believed: Believed[str, int] = Believed(1000.0, 3)
    for key in "abc":
        believed.put(key, 1, time.monotonic())
    believed.forget("a")
    believed.forget("never was")
    assert (believed.get("a"), believed.get("b")) == (None, 1)
    believed.clear()
    assert len(believed) == 0
