"""Which outbound operation an inbound one becomes, and how all of that is walked."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hilum.cli.walk import dimse, fhir, sends, web
from hilum.cli.walk.far import HOST, broker, far, free_port
from hilum.cli.walk.row import Row
from hilum.config.load import load
from hilum.config.schema import Settings

PACS, CLOUD, ARCHIVE = "PACS", "CLOUD", "ARCHIVE"
CALLER, KNOWN = "DEMO", "DEMO_KNOWN"
"""AE titles that are played: the one that calls, and one that the far side can send to itself."""

BECOMES: Mapping[str, Mapping[str, str]] = {
    PACS: {
        "C-ECHO": "C-ECHO",
        "C-STORE": "C-STORE",
        "C-FIND": "C-FIND",
        "C-GET": "C-GET",
        "C-MOVE": "C-GET + C-STORE",
        "C-MOVE passed on": "C-MOVE",
        "QIDO-RS": "C-FIND",
        "WADO-RS": "C-GET",
        "STOW-RS": "C-STORE",
        "SEND to a mount": "C-GET + archive",
        "SEND to a peer": "C-MOVE",
        "FHIR": "C-FIND",
    },
    CLOUD: {
        "C-ECHO": "GET /health, HEAD /",
        "C-STORE": "STOW-RS",
        "C-FIND": "QIDO-RS",
        "C-GET": "WADO-RS",
        "C-MOVE": "WADO-RS + C-STORE",
        "QIDO-RS": "QIDO-RS",
        "WADO-RS": "WADO-RS",
        "STOW-RS": "STOW-RS",
        "SEND to a mount": "WADO-RS + archive",
        "SEND to a peer": "WADO-RS + C-STORE",
        "FHIR": "QIDO-RS",
    },
}
"""Mount -> beginning of the inbound operation's name -> the outbound operation."""

ROWS: Mapping[str, tuple[Row, ...]] = {
    mount: (
        *dimse.SERVICE,
        *dimse.STORE,
        *web.STORE,
        *dimse.SEARCH,
        *web.SEARCH,
        *dimse.RETRIEVE,
        *([dimse.passed_on(KNOWN)] if mount == PACS else []),
        *web.RETRIEVE,
        sends.send("a mount", ARCHIVE),
        sends.send("a peer", KNOWN),
        *fhir.SEARCH,
    )
    for mount in (PACS, CLOUD)
}


def becomes(mount: str, operation: str) -> str:
    """The outbound operation; the longest name that fits decides."""
    fitting = [name for name in BECOMES[mount] if operation.startswith(name)]
    return BECOMES[mount][max(fitting, key=len)] if fitting else ""


@dataclass(frozen=True, slots=True)
class Crossing:
    """A broker that runs between real peers.

    Attributes:
        settings: the broker's.
        behind: what stands behind both mounts, for people.
    """

    settings: Settings
    behind: str


@contextmanager
def crossing() -> Iterator[Crossing]:
    """A broker with a DIMSE and a DICOMweb mount on one far system, all started for it.

    Raises:
        CannotCross: one of them does not come up.
    """
    caller, known = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="hilum-demo-") as temporary:
        folder = Path(temporary)
        with far(folder / "far", {KNOWN: known}) as behind:
            ports = free_port(), free_port()
            text = f"""[dimse]
port = {ports[0]}
[http]
port = {ports[1]}
[mounts.{PACS}]
backend = "dimse"
aet = "{behind.aet}"
host = "{HOST}"
port = {behind.port}
retrieve = "get"
destinations = ["{KNOWN}"]
[mounts.{CLOUD}]
backend = "dicomweb"
url = "{behind.url}"
[mounts.{ARCHIVE}]
[peers.{CALLER}]
aet = "{CALLER}"
host = "{HOST}"
port = {caller}
[peers.{KNOWN}]
aet = "{KNOWN}"
host = "{HOST}"
port = {known}
"""
            with broker(folder / "near", text, ports, "the broker") as config:
                yield Crossing(load(config, {}), behind.name)
