import io
import os

import pytest

from hilum.config.mounts import ArchiveMount
from hilum.config.schema import Settings
from hilum.workers import start
from hilum.workers.start import Start

HERE = Start(
    settings=Settings(mounts={"ARCHIVE": ArchiveMount(default=True)}),
    number=1,
    workers=2,
    doors={"http": 5},
    box=6,
    boxes=(7, 8),
    crowd=9,
)


def test_a_worker_gets_what_it_is_told() -> None:
    assert start.read(io.BytesIO(HERE.encode() + start.STOP)) == HERE


def test_it_comes_in_pieces_and_leaves_what_follows() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as pipe, os.fdopen(writing, "wb", 0) as told:
        told.write(HERE.encode() + start.STOP)
        assert start.read(pipe) == HERE
        assert pipe.readline() == start.STOP


@pytest.mark.parametrize("cut", [0, 3, 20])
def test_less_is_no_start(cut: int) -> None:
    with pytest.raises(EOFError):
        start.read(io.BytesIO(HERE.encode()[:cut]))


def test_the_supervisor_hears_what_is_meant_for_it_only() -> None:
    assert start.said(start.ready({"http": ("::1", 80)})) == {"ready": {"http": ["::1", 80]}}
    assert start.said(start.failed("no\nroom")) == {"failed": "no\nroom"}
    assert start.said(b"hello\n") == start.said(b"[1]\n") == {}


def test_a_worker_gets_another_configuration_between_two_orders() -> None:
    stream = io.BytesIO(start.change(HERE.settings) + start.COMMIT + start.STOP)
    assert stream.readline() == start.CHANGE
    assert start.changed(stream) == HERE.settings
    assert stream.read() == start.COMMIT + start.STOP


def test_what_a_worker_answers_to_that_is_heard() -> None:
    assert start.said(start.prepared(["a", "b"])) == {"prepared": ["a", "b"]}
    assert start.said(start.committed()) == {"committed": True}
    assert start.said(start.alive()) == {}
