"""What can be set of the audit: what is recorded, and where it goes (PS3.15 §A.5 to §A.7)."""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from hilum.config.kinds import Certificates, Size, listed
from hilum.config.tls import Identity

Group = Literal["application", "security", "query", "transfer", "access", "delete"]
GROUPS: Final[tuple[Group, ...]] = (
    "application",
    "security",
    "query",
    "transfer",
    "access",
    "delete",
)
_PLACE: Final = re.compile(
    r"(tls|tcp|udp)://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?/?"
)
_PORTS: Final = {"tls": 6514, "tcp": 601, "udp": 514}


def _place(text: str) -> str:
    found = _PLACE.fullmatch(text)
    if found is None or not 0 < int(found[4] or 1) < 65536:  # noqa: PLR2004 - ports
        raise ValueError('not a place; write it like "tls://audit.example.org:6514"')
    return text


class AuditSettings(Identity):
    """The audit: who did what, in the data folder, and at an audit repository."""

    enabled: bool = True
    """Whether it is kept."""
    events: Annotated[tuple[Group, ...], BeforeValidator(listed)] = GROUPS
    """What is recorded: start and stop (`application`), what was refused (`security`), searches
    (`query`), instances that came or went (`transfer`), that were looked into (`access`), and
    deletion (`delete`)."""
    patients: bool = False
    """Whether Patient IDs and the values of matching keys are recorded, where a request names
    them. Without, a study is named by its UID only."""
    max_size: Annotated[Size, Field(ge=10**6)] = 64 * 10**6
    """How long one file of it becomes."""
    max_files: Annotated[int, Field(ge=2)] = 64
    """How many of its files are kept; the oldest go first, also when syslog has not got them."""
    syslog: Annotated[str, AfterValidator(_place)] | None = None
    """Where it is sent as well, as XML: `tls://HOST:6514`. With `tcp://` or `udp://` anybody on
    the way can read it, and with `udp://` nobody knows whether it arrives."""
    ca_file: Certificates | None = None
    """A file with the certificates (PEM) of the authorities that are believed for that server; by
    default those of the system. Where it is set nobody else is."""
    check_host: bool = True
    """Whether its certificate must name the host."""

    @property
    def place(self) -> tuple[str, str, int]:
        """How `syslog` is spoken to ("tls", "tcp", "udp"), its host and port."""
        found = _PLACE.fullmatch(self.syslog or "")
        if found is None:
            return "", "", 0
        return found[1], found[2] or found[3], int(found[4] or _PORTS[found[1]])

    def _clashes(self) -> Iterator[str]:
        yield from super()._clashes()
        if self.syslog is not None and not self.enabled:
            yield "enabled: is false, so that syslog has no effect"
        said = {"ca_file": self.ca_file, "certificate": self.certificate}
        for name, value in said.items():
            if value is not None and self.place[0] != "tls":
                yield f"{name}: has no effect, as syslog is not spoken to by TLS"
