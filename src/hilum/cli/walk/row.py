"""What a row of the walk is, and what it is given to walk with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from hilum.cli.common import reachable
from hilum.cli.walk.study import Study
from hilum.config.mounts import Web
from hilum.config.peers import Peer
from hilum.config.schema import Settings


class Failed(Exception):
    """What came back is not what had to; the text says what came."""


@dataclass(frozen=True, slots=True)
class Walk:
    """The running broker and what is stored in it.

    Attributes:
        settings: those the broker runs with.
        client: an HTTP client whose base is the broker's DICOMweb root, without a mount.
        dimse_study: the study that is stored over DIMSE.
        web_study: the study that is stored over STOW-RS.
        caller: the AE title that we call by, one the broker knows.
        mount: which mount is walked; None: the default one, else the first.
    """

    settings: Settings
    client: httpx.AsyncClient
    dimse_study: Study
    web_study: Study
    caller: str
    mount: str | None = None

    @property
    def called(self) -> str:
        """The AE title to call for the mount."""
        if self.mount is not None:
            return self.mount
        settings = self.settings
        return settings.server.aet if settings.default_mount else next(iter(settings.mounts))

    @property
    def root(self) -> str:
        """The path of the mount's DICOMweb root."""
        if self.mount is None and self.settings.default_mount is not None:
            return "/dicomweb"
        return f"/aets/{quote(self.name, safe='')}"

    @property
    def name(self) -> str:
        """The mount's name."""
        return self.mount or self.settings.default_mount or next(iter(self.settings.mounts))

    @property
    def stored(self) -> Study:
        """A study that is there by the time queries are walked."""
        return self.web_study if self.settings.has_http else self.dimse_study

    @property
    def host(self) -> str:
        """Where the DIMSE door is reached from this machine."""
        return reachable(self.settings.dimse.bind)


@dataclass(frozen=True, slots=True)
class Row:
    """One operation.

    Attributes:
        operation: its name, as the standard has it.
        door: "dimse" or "http"; the row is left out when that is closed.
        run: does it and gives what came back, in a few words. Raises Failed, or whatever the
            client raises.
    """

    operation: str
    door: str
    run: Callable[[Walk], Awaitable[str]]


def counted(count: int, what: str) -> str:
    """How many of what: 1 study, 3 instances."""
    if count == 1 or what == "series":
        return f"{count} {what}"
    return f"{count} {what[:-1]}ies" if what.endswith("y") else f"{count} {what}s"


def web_root(settings: Settings) -> str:
    """The URL of the broker's DICOMweb door on this machine, without a slash at its end."""
    host = reachable(settings.http.bind)
    place = f"[{host}]" if ":" in host else host
    scheme = "https" if settings.http.tls else "http"
    return f"{scheme}://{place}:{settings.http.port}{settings.http.base_path}"


def ourselves(settings: Settings, aet: str, host: str) -> Peer:
    """The broker's DIMSE door on this machine, as a peer.

    Its certificate is known, as it stands in the same configuration, whomever it names.
    """
    tls = settings.dimse.tls
    trusted = settings.tls.certificate if tls else None
    return Peer(
        aet=aet,
        host=host,
        port=settings.dimse.port,
        tls=tls,
        ca_file=trusted,
        check_host=not tls,
    )


def ourselves_by_web(settings: Settings) -> Web:
    """How the broker's DICOMweb door on this machine is spoken to; as `ourselves`."""
    if not settings.http.tls:
        return Web()
    own = settings.tls
    return Web(
        ca_file=own.certificate,
        check_host=False,
        certificate=own.certificate,
        key=own.key,
        key_password=own.key_password,
    )
