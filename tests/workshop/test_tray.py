import os
import sys

import pytest

from hilum.workshop.tray import SIZE, Tray, reached

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no such memory there")


@pytest.fixture
def tray() -> Tray:
    made = Tray.made()
    assert made is not None
    return made


def test_what_one_lays_there_the_other_takes(tray: Tray) -> None:
    theirs = reached(os.dup(tray.fd))
    tray.handed()
    theirs[:5] = b"image"
    assert tray.taken(5) == b"image"
    theirs[-1:] = b"."
    assert tray.taken(SIZE)[-1:] == b"."
    tray.close()


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1])
def test_nobody_takes_it_away_from_who_reads(tray: Tray, size: int) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(tray.fd, size)
    assert tray.taken(SIZE) == bytes(SIZE)
    tray.handed()
    tray.close()


def test_where_there_is_none_nothing_fits() -> None:
    assert not len(reached(-1))
