"""Orthanc with its DICOMweb plug-in, as it is shipped, without Nagle's delay."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import free_port, server
from bench.system import System
from bench.systems.hilum import DESTINATION

NAME = "Orthanc"
_PLACES = (
    "/usr/sbin/Orthanc",
    "/usr/bin/Orthanc",
    "/usr/local/bin/Orthanc",
    "/usr/local/sbin/Orthanc",
)
_PLUGINS = ("/usr/share/orthanc/plugins", "/usr/local/share/orthanc/plugins")
PROGRAM = next((each for each in _PLACES if Path(each).exists()), "")
PLUGIN = next(
    (str(found) for each in _PLUGINS if (found := Path(each, "libOrthancDicomWeb.so")).exists()), ""
)
MISSING = (
    ""
    if PROGRAM and PLUGIN
    else (
        "Orthanc with DICOMweb is not installed; on Debian: "
        "apt-get install orthanc orthanc-dicomweb"
    )
)
_DURABILITY = (
    "the default, SyncStorageArea true: each file is synced, not its folder; commits of the index "
    "are not waited for"
)


@contextmanager
def archive(folder: Path, sink: int) -> Iterator[System]:
    """It runs, with its files in `folder`; C-MOVE may send to port `sink`."""
    dimse, web = free_port(), free_port()
    folder.mkdir(parents=True, exist_ok=True)
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
        "DicomModalities": {DESTINATION: [DESTINATION, "127.0.0.1", sink]},
        "Plugins": [PLUGIN],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(config))
    with server([PROGRAM, str(path)], (dimse, web), nodelay=True) as pid:
        yield System(
            name=NAME,
            port=dimse,
            aet="ORTHANC",
            web=f"http://127.0.0.1:{web}/dicom-web",
            pid=pid,
            durability=_DURABILITY,
        )
