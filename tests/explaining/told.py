"""A configuration with a mount of each kind."""

import os
from pathlib import Path

from hilum.config.load import load
from hilum.config.schema import Settings

CONFIG = """
[admin]
enabled = true
[http]
base_path = "/hilum"
[mounts.PACS]
backend = "dimse"
aet = "ORTHANC"
host = "pacs.example.org"
port = 4242
default = true
destinations = ["WORKSTATION"]
[mounts.STRICT]
backend = "dimse"
aet = "OLD"
host = "old.example.org"
port = 104
relational = "never"
retrieve = "move"
receivers = ["HILUM_IN"]
cancel = "abort"
[mounts.CLOUD]
backend = "dicomweb"
url = "https://cloud.example.org/dicom-web"
wado_url = "https://cloud.example.org/wado"
send = true
[mounts.INDEX]
backend = "fhir"
url = "https://fhir.example.org/r4"
[mounts.ARCHIVE]
[peers.viewer]
aet = "VIEWER"
host = "viewer.example.org"
port = 11113
[destinations.REGISTER]
url = "https://register.example.org/dicomweb"
"""


def settings(folder: Path, text: str = CONFIG) -> Settings:
    path = folder / "config.toml"
    path.write_text(text)
    return load(path, {**os.environ})
