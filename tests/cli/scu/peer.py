"""A peer for the commands: DCMTK's dcmqrscp with one study in it, and where it may send."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import peers
from typer.testing import CliRunner

from hilum.cli.main import app
from hilum.cli.walk.study import Study, study

RECEIVER = "RECEIVER"


@dataclass(frozen=True, slots=True)
class Pacs:
    """A peer, and the study that it holds.

    Attributes:
        place: how it is named on a command line.
        receiver: port at which `RECEIVER` should listen.
    """

    place: str
    study: Study
    receiver: int


@contextmanager
def pacs(folder: Path) -> Iterator[Pacs]:
    """The peer, filled by `hilum store`."""
    receiver = peers.free_port()
    held = study("COMMAND")
    files = folder / "files"
    files.mkdir(parents=True)
    for at, each in enumerate(held.slices):
        (files / f"{at}.dcm").write_bytes(each.part10)
    with peers.dcmqrscp(folder / "pacs", aet="PACS", moves={RECEIVER: receiver}) as peer:
        place = f"PACS@{peers.HOST}:{peer.port}"
        code, out, _ = call("store", place, str(files))
        assert code == 0, out
        yield Pacs(place, held, receiver)


def call(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `hilum …`, within this process."""
    done = CliRunner().invoke(app, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr
