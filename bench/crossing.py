"""Through Hilum against directly at the peer (Orthanc), in one run: queries and retrievals.

    python bench/crossing.py [--studies 2000] [--slices 500] [--rounds 5] [--only ROW]

Orthanc holds a CT study and many small ones, and is asked by DCMTK's findscu and getscu and by
curl: directly, and through a broker with one DIMSE and one DICOMweb mount on it. A ratio is our
time over the direct one: 1.25 is a quarter longer. Absolute times of one machine mean little.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import corpus
from servers import DCMTK, ORTHANC, free_port, peak, server, timed

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@dataclass(frozen=True)
class Ports:
    dimse: int
    web: int
    pid: int = 0


@contextmanager
def orthanc(folder: Path) -> Iterator[Ports]:
    """Orthanc with DICOMweb, as quick as it can be."""
    dimse, web = free_port(), free_port()
    config = {
        "Name": "bench",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "DicomAet": "ORTHANC",
        "DicomPort": dimse,
        "HttpPort": web,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomCheckCalledAet": False,
        **{f"DicomAlwaysAllow{each}": True for each in ("Echo", "Store", "Find", "Get", "Move")},
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(config))
    with server([ORTHANC, str(path)], dimse, TCP_NODELAY="1") as pid:
        yield Ports(dimse, web, pid)


@contextmanager
def hilum(folder: Path, peer: Ports) -> Iterator[Ports]:
    """The broker with both kinds of mount on the peer."""
    dimse, web = free_port(), free_port()
    config = folder / "hilum.toml"
    config.write_text(
        f"""[server]
data = "{folder}/data"
[dimse]
port = {dimse}
accept_unknown_callers = true
[http]
port = {web}
[mounts.PACS]
backend = "dimse"
aet = "ORTHANC"
host = "127.0.0.1"
port = {peer.dimse}
retrieve = "get"
[mounts.CLOUD]
backend = "dicomweb"
url = "http://127.0.0.1:{peer.web}/dicom-web"
[logging]
level = "warning"
"""
    )
    command = [sys.executable, "-m", "hilum", "run", "--config", str(config)]
    with server(command, web) as pid:
        yield Ports(dimse, web, pid)


def dcmtk(name: str, aet: str, port: int, *arguments: str) -> list[str]:
    return [str(DCMTK / name), "-aet", "BENCH", "-aec", aet, "127.0.0.1", str(port), *arguments]


def curl(url: str, accept: str) -> list[str]:
    return [
        "curl",
        "--silent",
        "--fail",
        "--output",
        "/dev/null",
        "--header",
        f"Accept: {accept}",
        url,
    ]


def rows(
    peer: Ports, broker: Ports, studies: int, study: str
) -> dict[str, tuple[list[str], list[str]]]:
    """Row -> the direct command, and the one through the broker."""
    keys = ["PatientName", "PatientID", "StudyDate", "AccessionNumber", "StudyInstanceUID"]
    find = ["-S", "-k", "QueryRetrieveLevel=STUDY", *(part for key in keys for part in ("-k", key))]
    get = ["-S", "--ignore", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
    json_type, parts = "application/dicom+json", 'multipart/related; type="application/dicom"'
    here, there = f"http://127.0.0.1:{broker.web}/aets", f"http://127.0.0.1:{peer.web}/dicom-web"
    qido, wado = f"/studies?limit={studies + 10}", f"/studies/{study}"
    findscu = dcmtk("findscu", "ORTHANC", peer.dimse, *find)
    getscu = dcmtk("getscu", "ORTHANC", peer.dimse, *get)
    searched, given = curl(there + qido, json_type), curl(there + wado, parts)
    return {
        "C-FIND > C-FIND": (findscu, dcmtk("findscu", "PACS", broker.dimse, *find)),
        "QIDO > C-FIND": (findscu, curl(f"{here}/PACS{qido}", json_type)),
        "QIDO > QIDO": (searched, curl(f"{here}/CLOUD{qido}", json_type)),
        "C-FIND > QIDO": (searched, dcmtk("findscu", "CLOUD", broker.dimse, *find)),
        "C-GET > C-GET": (getscu, dcmtk("getscu", "PACS", broker.dimse, *get)),
        "WADO > C-GET": (getscu, curl(f"{here}/PACS{wado}", parts)),
        "WADO > WADO": (given, curl(f"{here}/CLOUD{wado}", parts)),
        "C-GET > WADO": (given, dcmtk("getscu", "CLOUD", broker.dimse, *get)),
    }


def main() -> None:
    """Run the rounds, direct and through us by turns, and print medians and ratios."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--studies", type=int, default=2000)
    arguments.add_argument("--slices", type=int, default=500)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--only", default="")
    arguments.add_argument(
        "--corpus", type=Path, default=Path(tempfile.gettempdir()) / "hilum-bench"
    )
    given = arguments.parse_args()
    slices = corpus.make(given.corpus / str(given.slices), given.slices)
    small = corpus.make_small(given.corpus / f"small{given.studies}", given.studies)
    study = corpus.generate_uid(entropy_srcs=["hilum", "bench", str(given.slices)])
    with tempfile.TemporaryDirectory() as work, orthanc(Path(work)) as peer:
        for paths in (slices, small):
            timed(dcmtk("storescu", "ORTHANC", peer.dimse, *(str(path) for path in paths)))
        with hilum(Path(work), peer) as broker:
            seen: dict[str, list[tuple[float, float]]] = {}
            for _ in range(given.rounds):
                for row, (direct, through) in rows(peer, broker, given.studies, study).items():
                    if given.only in row:
                        seen.setdefault(row, []).append((timed(direct), timed(through)))
            memory = peak(broker.pid)
    print(f"{given.studies} studies, {given.slices} slices, {given.rounds} rounds, medians")
    for row, times in seen.items():
        direct, through = (statistics.median(each[side] for each in times) for side in (0, 1))
        took = f"direct {direct:7.3f} s  through {through:7.3f} s"
        print(f"{row:16} {took}  ratio {through / direct:.2f}")
    print(f"peak memory of the broker {memory:.0f} MB")


if __name__ == "__main__":
    main()
