"""Who asks: DCMTK's programs and curl, the same for every server, each timed from start to end."""

import statistics
import subprocess
import time
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from bench.access import OPEN, Access
from bench.corpus import BOUNDARY
from bench.processes import environment
from bench.system import System
from bench.systems.dcmtk import program

JSON = "application/dicom+json"
PARTS = 'multipart/related; type="application/dicom"'
FRAME = 'multipart/related; type="application/octet-stream"'
JPEG = "image/jpeg"
PATIENCE = 600.0  # seconds a client gets
_STARTS = 7
KEYS = ("PatientName", "PatientID", "StudyDate", "AccessionNumber", "StudyInstanceUID")
ANSWERED = (
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ModalitiesInStudy",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyID",
    "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances",
)
"""What a QIDO-RS answer has of a study (PS3.18 Table 10.6.3-3)."""


class ClientFailed(Exception):
    """A client did not succeed."""


class NotOffered(Exception):
    """The server says that it does not have this."""


def run(commands: Iterable[Sequence[str]], *, nodelay: bool = True) -> tuple[float, str]:
    """Seconds until all of these, begun at once, have ended well; and what they said.

    Raises:
        ClientFailed: one did not succeed.
    """
    env = environment(nodelay=nodelay)
    began = time.perf_counter()
    running = [
        subprocess.Popen(each, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for each in commands
    ]
    said = [each.communicate(timeout=PATIENCE)[0].decode("utf-8", "replace") for each in running]
    took = time.perf_counter() - began
    for process, text in zip(running, said, strict=True):
        if process.returncode != 0:
            command = Path(str(process.args[0])).name  # type: ignore[index] # a sequence, above
            raise ClientFailed(f"{command} ended with {process.returncode}: {text[-500:]}")
    return took, "".join(said)


def dcmtk(name: str, to: System, *arguments: str) -> list[str]:
    """A DCMTK client's command line."""
    called = ["-aet", to.access.title(name), "-aec", to.aet, to.host, str(to.port)]
    return [program(name), *to.access.of_dcmtk(name), *called, *arguments]


def store(
    to: System, paths: Sequence[Path], associations: int = 1, *, nodelay: bool = True
) -> float:
    """Seconds that storescu takes; with several associations, as many of them at once."""
    shares = [paths[at::associations] for at in range(associations)]
    commands = [
        dcmtk("storescu", to, "--required", *(str(path) for path in share))
        for share in shares
        if share
    ]
    return run(commands, nodelay=nodelay)[0]


@cache
def start(sink: System) -> float:
    """Seconds that a program of DCMTK takes to start and to have an association, a median."""
    return statistics.median(run([dcmtk("echoscu", sink)])[0] for _ in range(_STARTS))


def find(at: System, keys: Sequence[str] = KEYS) -> list[str]:
    """The findscu that asks for all studies."""
    asked = [part for key in keys for part in ("-k", key)]
    return dcmtk("findscu", at, "-S", "-k", "QueryRetrieveLevel=STUDY", *asked)


def get(at: System, study: str) -> list[str]:
    """The getscu that brings a study, and forgets it."""
    return dcmtk("getscu", at, "-S", "--ignore", *_study(study))


def move(at: System, study: str, destination: str) -> list[str]:
    """The movescu that has a study sent."""
    return dcmtk("movescu", at, "-S", "-aem", destination, *_study(study))


def _study(study: str) -> list[str]:
    return ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]


def curl(url: str, accept: str, access: Access = OPEN) -> float:
    """Seconds until curl has an answer, and forgot it.

    Raises:
        NotOffered: the status is another than 200.
    """
    return _curl([[*access.of_curl, "--header", f"Accept: {accept}", url]])


def stow(url: str, bodies: Sequence[Path], access: Access = OPEN) -> float:
    """Seconds until curl has posted all bodies, one after another on one connection.

    Raises:
        NotOffered: a status is another than 200.
    """
    kind = f'Content-Type: multipart/related; type="application/dicom"; boundary={BOUNDARY}'
    post = ["--request", "POST", "--header", kind, "--header", f"Accept: {JSON}"]
    post += ["--header", "Expect:", *access.of_curl]
    return _curl([[*post, "--upload-file", str(body), url] for body in bodies])


def _curl(requests: Sequence[Sequence[str]]) -> float:
    command = ["curl"]
    for request in requests:
        more = ["--next"] if len(command) > 1 else []
        usual = ["--silent", "--show-error", "--output", "/dev/null"]
        command += [*more, *usual, "--write-out", "%{http_code} ", *request]
    took, said = run([command])
    wrong = sorted(set(said.split()) - {"200"})
    if wrong:
        raise NotOffered("HTTP " + ", ".join(wrong))
    return took
