"""The floors do what they are there for: what comes is kept whole, what goes is whole."""

import shutil
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench import clients
from bench.corpus import Corpus, stow_bodies
from bench.floors.asking import associated
from bench.floors.ready import CT
from bench.system import System
from bench.systems import barest, dcmtk
from bench.systems.hilum import DESTINATION
from pydicom import dcmread

from hilum.codec.sop_class import STUDY_ROOT_FIND, STUDY_ROOT_GET

pytestmark = pytest.mark.skipif(
    bool(dcmtk.MISSING) or shutil.which("curl") is None or not Path("/proc/self").exists(),
    reason="needs DCMTK and curl, on Linux",
)


@dataclass(frozen=True)
class Running:
    """The floor, a corpus, and where things are."""

    corpus: Corpus
    floor: System
    sink: System
    folder: Path

    @property
    def address(self) -> tuple[str, int]:
        return self.floor.host, self.floor.port

    def kept(self) -> set[Path]:
        """What has been stored."""
        return set(self.folder.glob("*/*"))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    corpus = Corpus(tmp_path_factory.mktemp("corpus"), slices=3, studies=2, frames=1)
    folder = tmp_path_factory.mktemp("floor")
    with dcmtk.sink() as sink, barest.floor(folder, corpus.ct[0].parent, sink.port) as floor:
        yield Running(corpus, floor, sink, folder)


def pixels(paths: Iterable[Path]) -> list[tuple[str, bytes]]:
    read = [dcmread(path) for path in paths]
    return sorted((str(each.SOPInstanceUID), each.PixelData) for each in read)


def test_what_is_stored_is_kept(running: Running) -> None:
    before, sent = running.kept(), [*running.corpus.ct, *running.corpus.small]
    clients.store(running.floor, sent, 2)
    assert pixels(running.kept() - before) == pixels(sent)


def test_parts_of_a_body_are_kept(running: Running, tmp_path: Path) -> None:
    before, sent = running.kept(), running.corpus.ct * 9  # longer than what is read at once
    clients.stow(f"{running.floor.web}/studies", list(stow_bodies(sent, 26, tmp_path)))
    kept = [path.read_bytes() for path in running.kept() - before]
    assert sorted(kept) == sorted(path.read_bytes() for path in sent)


def test_a_study_goes_out_whole(running: Running, tmp_path: Path) -> None:
    command = clients.get(running.floor, running.corpus.ct_study)
    command[command.index("--ignore")] = "-od"
    command.insert(command.index("-od") + 1, str(tmp_path))
    for _ in range(2):  # made ready, and ready
        clients.run([command])
        assert pixels(tmp_path.iterdir()) == pixels(running.corpus.ct)
    clients.run([clients.move(running.floor, running.corpus.ct_study, DESTINATION)])
    with associated(running.address, "FLOOR", STUDY_ROOT_GET, CT) as asker:
        assert asker.get(running.corpus.ct_study) == 3
    with associated((running.sink.host, running.sink.port), "SINK", CT) as asker:
        assert asker.store(running.corpus.ct, running.folder) == 3


def test_what_another_found_is_found(running: Running, tmp_path: Path) -> None:
    config = dcmtk.dcmqrscp(tmp_path, running.sink.port)
    with config as archive:
        clients.store(archive, running.corpus.ct)
        barest.find_as(archive, running.folder)
    with associated(running.address, "FLOOR", STUDY_ROOT_FIND) as asker:
        (found,) = asker.find()
    assert running.corpus.ct_study.encode() in found
    said = clients.run([clients.find(running.floor)])[1]
    assert said.count(running.corpus.ct_study) == 1


@pytest.mark.parametrize("size", [0, 1000, 3_000_000])
def test_what_is_ready_is_given(running: Running, size: int) -> None:
    content = bytes(range(250)) * (size // 250)
    (running.folder / f"ready{size}").write_bytes(content)
    with urllib.request.urlopen(f"{running.floor.web}/ready{size}") as answer:  # noqa: S310 - ours
        assert answer.read() == content
