"""How do searches cost with the number of studies in the index?"""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from bench.clients import JSON, ClientFailed, NotOffered
from bench.growth import mass
from bench.growth.step import Step
from bench.load import load
from bench.processes import free_port, peak, reset_peak, say
from bench.systems import hilum

NOTE = (
    "Searches over an index of so many studies of one instance each, asked one after another on "
    "one connection; median time of an answer"
)
GROWS = "studies in the index"
SIZES = (2000, 100_000)


def steps(given: Namespace, work: Path) -> Iterator[Step]:
    """One for each number of studies."""
    for studies in given.studies or SIZES:
        path = mass.made(given.corpus, studies)
        with hilum.archive(work / f"index{studies}", free_port(), path=path) as system:
            reset_peak(system.pid or 0)
            seconds = {}
            for name, paths in _questions(studies).items():
                urls = [system.web + each for each in paths]
                with suppress(NotOffered, ClientFailed):
                    seconds[name] = load(urls, JSON, 1, given.seconds).p50
            say(f"{studies:,} studies: {_told(seconds)}")
            yield Step(studies, f"{studies:,}", seconds, peak(system.pid or 0))


def _told(seconds: dict[str, float]) -> str:
    return ", ".join(f"{name} {took * 1000:.2f} ms" for name, took in seconds.items())


def _questions(studies: int) -> dict[str, Sequence[str]]:
    """What is asked, each of many different studies."""
    some = range(1, studies + 1, max(studies // 200, 1))
    return {
        "limit=100": ["/studies?limit=100"],
        "limit=100, the last ones": [f"/studies?limit=100&offset={studies - 100}"],
        "by UID": [f"/studies?StudyInstanceUID={mass.study(each)}" for each in some],
        "by Patient ID": [f"/studies?PatientID=MASS-{each:07d}" for each in some],
        "name from its start, limit=100": ["/studies?PatientName=Kow*&limit=100"],
        "name in its middle, limit=100": [
            f"/studies?PatientName=*ber{each // 10:06d}*&limit=100" for each in some
        ],
        "a day, limit=100": [
            f"/studies?StudyDate=20{each:02d}0708&limit=100" for each in range(25)
        ],
    }
