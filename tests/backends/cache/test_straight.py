import time

import pytest

from hilum.backends.cache import Straight, straight
from hilum.backends.memory import Memory
from hilum.model.errors import NotFound
from hilum.model.identity import Ref


def test_a_job_is_done_when_it_is_asked_for() -> None:
    backend = Straight(Memory())
    job = backend.fetch([Ref("1.2")])
    assert (job.ended, job.error, job.missing) == (True, None, ())
    assert backend.fetch([Ref("1.2")]) is backend.fetching(job.id) is job
    assert backend.fetch([Ref("1.2", "1.3")]) is not job


def test_it_is_forgotten_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = Straight(Memory())
    job, other = backend.fetch([Ref("1.2")]), backend.fetch([Ref("1.3")])
    backend.stop(other.id)
    with pytest.raises(NotFound):
        backend.fetching(other.id)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + straight.LINGER + 1)
    with pytest.raises(NotFound):
        backend.fetching(job.id)
    assert backend.fetch([Ref("1.2")]) is not job


def test_there_is_an_end_to_how_many_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(straight, "MOST", 2)
    backend = Straight(Memory())
    jobs = [backend.fetch([Ref(f"1.{n}")]) for n in range(5)]
    assert backend.fetching(jobs[-1].id) is jobs[-1]
    with pytest.raises(NotFound):
        backend.fetching(jobs[0].id)


def test_its_name_tells_which_process_has_it() -> None:
    assert Straight(Memory(), "-3").fetch([Ref("1.2")]).id.endswith("-3")
