import threading

import pytest

from hilum.workshop import hands
from hilum.workshop.hands import Threads


def test_each_is_done_once_and_they_come_in_their_order() -> None:
    for count in (1, 2, 4):
        assert Threads(count).each(lambda item: item * 2, range(20)) == [*range(0, 40, 2)]
    assert Threads(4).each(str, []) == []


def test_they_work_at_the_same_time() -> None:
    meet = threading.Barrier(3, timeout=60)
    assert sorted(Threads(3).each(lambda _: meet.wait(), [0, 0, 0])) == [0, 1, 2]


@pytest.mark.parametrize("bad", [0, 1, 5])
def test_what_one_of_them_raises_is_raised_when_all_have_ended(bad: int) -> None:
    def work(item: int) -> int:
        if item == bad:
            raise MemoryError
        return item

    with pytest.raises(MemoryError):
        Threads(3).each(work, range(6))
    assert Threads(3).each(str, [1, 2]) == ["1", "2"]


def test_where_no_thread_can_be_started_one_does_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_number: int) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(hands, "_other", full)
    assert Threads(3).each(str, [1, 2, 3]) == ["1", "2", "3"]
