"""How do transfers cost with associations, the size of an instance, and that of a study?"""

from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench import clients
from bench.clients import JSON, PARTS, ClientFailed, NotOffered
from bench.corpus import Corpus, slice_of, small, uid, write
from bench.growth.step import Step
from bench.load import load
from bench.processes import cpu_seconds, free_port, peak, reset_peak, say
from bench.system import System
from bench.systems import hilum

ASSOCIATIONS = (1, 4, 16, 64)
BYTES = (10**4, 10**5, 10**6, 10**7, 10**8, 10**9, 2 * 10**9)
INSTANCES = (1, 10, 100, 1000, 5000)
_PIXELS = b"\xe0\x7f\x10\x00OW\x00\x00"  # the head of Pixel Data, Explicit VR Little Endian


def associations(given: Namespace, work: Path) -> Iterator[Step]:
    """The CT study by so many storescu at once, each time into an empty archive."""
    corpus = Corpus(given.corpus, given.slices)
    for number in ASSOCIATIONS:
        with hilum.archive(work / f"associations{number}", free_port()) as system:
            paths = corpus.ct
            clients.store(system, paths[:1])
            ask = {"C-STORE": lambda: clients.store(system, paths, number)}  # noqa: B023 - at once
            yield _step(system, number, f"{number}", ask)


def instance_sizes(given: Namespace, work: Path) -> Iterator[Step]:
    """One instance of so many bytes, in and out."""
    most = max(BYTES) if not given.quick else 10**8
    with hilum.archive(work / "sizes", free_port()) as system:
        for size in (each for each in BYTES if each <= most):
            study = uid("size", str(size))
            path = work / "instance.dcm"
            _big(path, study, size)
            url = f"{system.web}/studies/{study}"
            ask = {
                "C-STORE": lambda: clients.store(system, [path]),  # noqa: B023 - at once
                "WADO-RS": lambda: clients.curl(url, PARTS),  # noqa: B023 - at once
                "C-GET": lambda: clients.run([clients.get(system, study)])[0],  # noqa: B023 - at once
            }
            yield _step(system, size, _bytes(size), ask)
            path.unlink()


def study_sizes(given: Namespace, work: Path) -> Iterator[Step]:
    """A study of so many small instances, in and out."""
    most = max(INSTANCES) if not given.quick else 100
    with hilum.archive(work / "studies", free_port()) as system:
        for count in (each for each in INSTANCES if each <= most):
            study = uid("instances", str(count))
            series = uid(study, "series")
            folder = given.corpus / f"study{count}"
            folder.mkdir(parents=True, exist_ok=True)
            paths = [folder / f"{at:05d}.dcm" for at in range(1, count + 1)]
            for at, path in enumerate(paths, 1):
                if not path.exists():
                    write(path, small(study, 1, series, at))
            root = f"{system.web}/studies/{study}"
            ask = {
                "C-STORE": lambda: clients.store(system, paths),  # noqa: B023 - at once
                "WADO-RS study": lambda: clients.curl(root, PARTS),  # noqa: B023 - at once
                "metadata": lambda: load([f"{root}/metadata"], JSON, 1, given.seconds).p50,  # noqa: B023
                "QIDO-RS instances": lambda: load([f"{root}/instances"], JSON, 1, 0).p50,  # noqa: B023
                "C-GET": lambda: clients.run([clients.get(system, study)])[0],  # noqa: B023 - at once
            }
            yield _step(system, count, f"{count:,}", ask)


def _step(system: System, size: float, label: str, asks: Mapping[str, Callable[[], float]]) -> Step:
    pid = system.pid or 0
    reset_peak(pid)
    seconds: dict[str, float] = {}
    reasons: dict[str, str] = {}
    before = cpu_seconds(pid) or 0.0
    for name, ask in asks.items():
        try:
            seconds[name] = ask()
        except (NotOffered, ClientFailed) as error:
            reasons[name] = f"failed: {' '.join(str(error).split())[:100]}"
    spent = (cpu_seconds(pid) or 0.0) - before
    told = ", ".join(f"{name} {took:.3f} s" for name, took in seconds.items())
    say(f"{label}: {told}; {spent:.2f} s of CPU {' '.join(reasons.values())}")
    return Step(size, label, seconds, peak(pid), reasons)


def _big(path: Path, study: str, size: int) -> None:
    """A file of an instance with so many bytes of pixels, all zero; it takes no room on a disk."""
    dataset = slice_of(study, uid(study, "series"), 1, 8)
    dataset.Rows, dataset.Columns = 1, 1
    del dataset.PixelData
    write(path, dataset)
    with path.open("ab") as file:
        file.write(_PIXELS + (size - size % 2).to_bytes(4, "little"))
        file.truncate(file.tell() + size - size % 2)


def _bytes(size: int) -> str:
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:g} {name}"
    return f"{size} bytes"
