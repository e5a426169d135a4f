import os
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from hilum.backends.archive.turn import Turn

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is one process there")


def test_one_at_a_time_and_nobody_is_passed_by(tmp_path: Path) -> None:
    order: list[int] = []
    inside: list[int] = []
    stop = threading.Event()

    def work(number: int) -> None:
        turn = Turn(tmp_path)  # locks are of an open file: as good as a process
        try:
            while not stop.is_set():
                with turn.taken():
                    inside.append(number)
                    assert inside == [number]
                    order.append(number)
                    time.sleep(0.001)
                    inside.remove(number)
        finally:
            turn.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for each in threads:
        each.start()
    time.sleep(0.5)
    stop.set()
    for each in threads:
        each.join()
    together = order[5:-5]
    again = sum(one == other for one, other in pairwise(together))
    assert again < len(together) / 4


def test_who_fails_in_its_turn_gives_it_back(tmp_path: Path) -> None:
    one, other = Turn(tmp_path), Turn(tmp_path)
    with pytest.raises(ValueError, match="x"), one.taken():
        raise ValueError("x")
    with other.taken():
        pass
    one.close()
    other.close()
