"""Where is the broker, or the peer, that is meant? HOST:PORT, or a door of the configuration."""

import re
from pathlib import Path

from hilum.cli.common import reachable, settings
from hilum.cli.scu.ending import Misuse

_PLACE = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>\d{1,5})")


def place(text: str, config: Path | None) -> tuple[str, int]:
    """Host and port.

    Raises:
        Misuse: it is none, or that door is closed or speaks TLS.
    """
    found = _PLACE.fullmatch(text)
    if found is not None:
        return found["v6"] or found["host"], int(found["port"])
    if text not in {"dimse", "http"}:
        raise Misuse(f"{text} is no HOST:PORT, and neither dimse nor http")
    told = settings(config)
    is_open = told.has_dimse if text == "dimse" else told.has_http
    door = told.dimse if text == "dimse" else told.http
    if not is_open or not door.port:
        raise Misuse(f"frontend.mode or {text}.port: that door is closed, or at any free port")
    if door.tls:
        raise Misuse(f"{text}.tls: what is in TLS cannot be seen")
    return reachable(door.bind), door.port
