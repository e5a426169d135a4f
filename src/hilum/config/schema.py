"""What can be configured: every setting, its type, its default and what it means."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from hilum.config.audit import AuditSettings
from hilum.config.auth import AuthSettings, Texts, are_networks
from hilum.config.clashes import clashes
from hilum.config.fhir import FhirSettings
from hilum.config.imaging import ImagingSettings
from hilum.config.kinds import (
    RESTART,
    AeTitle,
    BasePath,
    BindPort,
    Folder,
    Grace,
    Host,
    MaxPdu,
    Origins,
    Seconds,
    Section,
    Size,
    Uids,
    Url,
)
from hilum.config.limits import LimitSettings
from hilum.config.mounts import (
    AnyMount,
    ArchiveMount,
    Publish,
    UrlDestination,
)
from hilum.config.peers import Peer
from hilum.config.tls import TlsSettings
from hilum.config.watching import AdminSettings, LoggingSettings, TelemetrySettings


class ServerSettings(Section):
    """Who we are and where our state lives."""

    aet: AeTitle = "HILUM"
    """The server's own AE title. Whoever calls it reaches the default mount."""
    data: Annotated[Folder, Field(validate_default=True)] = Path("./data")
    """The folder that holds everything kept. A relative path starts at the folder of the file."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that serve together, at the same ports; no more than there are cores. All of them
    serve the archives; what another mount stands for is called by one of them. Not on Windows."""


class FrontendSettings(Section):
    """Which doors are open."""

    mode: Literal["both", "dimse", "http"] = "both"
    """`both`, only `dimse`, or only `http`."""


class DimseSettings(Section):
    """The DIMSE door."""

    reloads = True

    bind: Annotated[Host, RESTART] = "127.0.0.1"
    """Address to listen at; `0.0.0.0` is every IPv4 address of the machine, `::` also IPv6."""
    port: Annotated[BindPort, RESTART] = 11112
    """TCP port to listen at; 0 takes any free one."""
    tls: Annotated[bool, RESTART] = False
    """Whether that port speaks TLS, with the certificate of `[tls]`."""
    tls_port: Annotated[BindPort | None, RESTART] = None
    """A second port, which speaks TLS (2762 is usual) beside a first one that does not."""
    accept_unknown_callers: bool = False
    """Whether a calling AE title may come in that is not in `[peers]`."""
    max_pdu: MaxPdu = 131072
    """The longest P-DATA-TF PDU we take, in bytes; 0 means no limit."""
    max_associations: Annotated[int, Field(ge=1)] = 100
    """Associations open at the same time, in all."""
    max_associations_per_peer: Annotated[int, Field(ge=1)] = 50
    """Associations open at the same time from one network address."""
    acse_timeout: Seconds = 30.0
    """How long an association may take to be set up or released (ARTIM, PS3.8 §9.1.5)."""
    message_timeout: Seconds = 60.0
    """How long a peer may be silent in the middle of a message, or leave a response unread."""
    idle_timeout: Seconds = 600.0
    """How long an association may stay open between two messages."""
    graceful_shutdown: Grace = 30.0
    """How long open associations may go on when the service stops."""
    sop_classes: Uids = ()
    """SOP Class UIDs that C-STORE takes; empty: every storage class, private ones too."""
    transfer_syntaxes: Uids = ()
    """Transfer Syntax UIDs that C-STORE takes; empty: every one."""


class HttpSettings(Section):
    """The DICOMweb door."""

    reloads = True

    bind: Annotated[Host, RESTART] = "127.0.0.1"
    """Address to listen at; `0.0.0.0` is every IPv4 address of the machine, `::` also IPv6."""
    port: Annotated[BindPort, RESTART] = 8080
    """TCP port to listen at; 0 takes any free one."""
    tls: Annotated[bool, RESTART] = False
    """Whether it speaks HTTPS, with the certificate of `[tls]`."""
    base_path: BasePath = ""
    """A path in front of all of ours, such as `/pacs`."""
    public_url: Url | None = None
    """The URL by which clients see us, for links in answers; by default from each request."""
    trust_forwarded: bool = False
    """Whether to believe `Forwarded` and `X-Forwarded-*` headers. Only behind a proxy of yours."""
    trusted_proxies: Annotated[Texts, AfterValidator(are_networks)] = ()
    """The networks of these proxies, such as `10.1.2.3/32`; what others say in such headers is not
    believed. By default whoever connects is taken for one."""
    max_connections: Annotated[int, Field(ge=1)] = 1000
    """Connections open at the same time; who comes beyond that is answered 503."""
    max_connections_per_peer: Annotated[int, Field(ge=1)] = 500
    """Connections open at the same time from one network address that is no trusted proxy; who
    comes beyond that is answered 429."""
    max_upload_size: Size = 8 * 10**9
    """The longest request body."""
    max_parts: Annotated[int, Field(ge=1)] = 10000
    """The most parts in one STOW-RS request."""
    request_timeout: Seconds = 60.0
    """How long a client may pause in sending its request, or in reading the answer."""
    graceful_shutdown: Grace = 30.0
    """How long running requests may go on when the service stops."""
    query_limit: Annotated[int, Field(ge=1)] = 1000
    """The most answers to a QIDO-RS query that names no limit of its own."""
    viewer: bool = True
    """Whether `/viewer` is served, once `hilum viewer install` has installed it."""
    cors_origins: Origins = ()
    """Origins whose pages may read our answers in a browser, such as `https://viewer.example.org`;
    `*` is every one. Pages that we serve ourselves need no entry."""
    cors_credentials: bool = False
    """Whether those pages may send cookies and HTTP authentication. Not with `*`."""
    cors_max_age: Seconds = 600.0
    """How long a browser may remember what it was allowed."""

    @property
    def public_root(self) -> str | None:
        """The URL below which clients see all our paths, without a slash at its end."""
        if self.public_url is None:
            return None
        doubled = self.base_path and urlsplit(self.public_url).path.endswith(self.base_path)
        return self.public_url + ("" if doubled else self.base_path)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.cors_credentials and "*" in self.cors_origins:
            raise ValueError('cors_credentials: does not go with "*" in cors_origins')
        if self.trusted_proxies and not self.trust_forwarded:
            raise ValueError("trusted_proxies: has no effect, as trust_forwarded is false")
        return self


class Settings(Section):
    """Everything that one configuration file says."""

    server: ServerSettings = ServerSettings()
    frontend: FrontendSettings = FrontendSettings()
    dimse: DimseSettings = DimseSettings()
    http: HttpSettings = HttpSettings()
    admin: AdminSettings = AdminSettings()
    tls: TlsSettings = TlsSettings()
    auth: AuthSettings = AuthSettings()
    limits: LimitSettings = LimitSettings()
    audit: AuditSettings = AuditSettings()
    imaging: ImagingSettings = ImagingSettings()
    fhir: FhirSettings = FhirSettings()
    mounts: dict[AeTitle, AnyMount] = Field(default={})
    peers: dict[str, Peer] = Field(default={})
    destinations: dict[AeTitle, UrlDestination] = Field(default={})
    logging: LoggingSettings = LoggingSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    _file: Path | None = PrivateAttr(default=None)

    def standing_in(self, file: Path) -> Self:
        """These, of which it is known where they stand."""
        self._file = file
        return self

    @property
    def file(self) -> Path | None:
        """The file in which they stand; None: in none."""
        return self._file

    @model_validator(mode="before")
    @classmethod
    def _sections(cls, value: object) -> object:
        """What is left out is read too: its paths start where the others do."""
        return {"server": {}, **value} if isinstance(value, dict) else value

    @property
    def default_mount(self) -> str | None:
        """The mount behind `/dicomweb` and the server's own AE title, if there is one.

        It says so itself, or is named like the server.
        """
        if self.server.aet in self.mounts:
            return self.server.aet
        return next((name for name, mount in self.mounts.items() if mount.default), None)

    @property
    def has_dimse(self) -> bool:
        """Whether the DIMSE door is open."""
        return self.frontend.mode in {"both", "dimse"}

    @property
    def has_http(self) -> bool:
        """Whether the DICOMweb door is open."""
        return self.frontend.mode in {"both", "http"}

    @property
    def admin_door(self) -> HttpSettings:
        """The door of those who look after it, which is one of HTTP."""
        admin, proxied = self.admin, self.http.trust_forwarded and bool(self.http.trusted_proxies)
        own = {
            name: getattr(admin, name)
            for name in ("bind", "port", "tls", "base_path", "public_url", "max_connections")
        }
        return self.http.model_copy(update={**own, "trust_forwarded": proxied, "cors_origins": ()})

    @property
    def doors(self) -> dict[str, DimseSettings | HttpSettings]:
        """Those that are open, by the section of each."""
        doors: dict[str, DimseSettings | HttpSettings] = {}
        if self.has_dimse:
            doors["dimse"] = self.dimse
        if self.has_http:
            doors["http"] = self.http
        if self.admin.enabled:
            doors["admin"] = self.admin_door
        return doors

    @property
    def has_state(self) -> bool:
        """Whether there is anything to be kept but images: Sends, issued tokens, errands."""
        return self.has_http or self.auth.enabled or bool(self.published)

    @property
    def tls_doors(self) -> tuple[str, ...]:
        """The settings that open a door which speaks TLS."""
        doors = {
            "dimse.tls": self.has_dimse and self.dimse.tls,
            "dimse.tls_port": self.has_dimse and self.dimse.tls_port is not None,
            "http.tls": self.has_http and self.http.tls,
            "admin.tls": self.admin.enabled and self.admin.tls,
        }
        return tuple(name for name, is_open in doors.items() if is_open)

    @property
    def archives(self) -> dict[str, ArchiveMount]:
        """The mounts that keep instances in files here."""
        return {
            name: mount for name, mount in self.mounts.items() if isinstance(mount, ArchiveMount)
        }

    @property
    def published(self) -> dict[str, Publish]:
        """Where studies of mounts are brought to, by the mount."""
        found = {name: mount.publish for name, mount in self.archives.items()}
        return {name: each for name, each in found.items() if each is not None}

    @property
    def subscribed(self) -> tuple[str, ...]:
        """The mounts whose changes clients may subscribe to."""
        if not self.has_http or not self.fhir.subscriptions.allow:
            return ()
        return tuple(
            name
            for name, mount in self.mounts.items()
            if (mount.fhir.subscriptions if name in self.archives else mount.fhir.poll)
        )

    def folder(self, mount: str) -> Path:
        """Where that archive mount keeps its files.

        An AE title may hold what a folder's name may not ("/", ".."): that is escaped.
        """
        path = self.archives[mount].path
        if path is not None:
            return path
        return self.server.data / "archive" / _as_name(mount)

    def spool(self, mount: str) -> Path:
        """Where what is retrieved through that mount goes through disk."""
        return self.server.data / "spool" / _as_name(mount)

    @property
    def transcoding(self) -> Path:
        """Where instances lie while they are transcoded."""
        return self.server.data / "transcoding"

    @property
    def state(self) -> Path:
        """Where the Sends are kept that run in the background, and the tokens that we issued."""
        return self.server.data / "state"

    @property
    def audits(self) -> Path:
        """Where the audit is kept."""
        return self.server.data / "audit"

    @property
    def requests(self) -> Path:
        """Where `hilum reload` asks the service that runs."""
        return self.server.data / "requests"

    @property
    def viewer(self) -> Path:
        """Where the viewer is installed."""
        return self.server.data / "viewer"

    @property
    def spill(self) -> Path:
        """Where things wait for a moment.

        What a PACS sends faster than it is taken, and STOW-RS requests whose parts belong together.
        """
        return self.server.data / "spill"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        problems = [*self.clashes()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def clashes(self) -> Iterator[str]:
        """What is good alone but not together: "path: what is wrong"."""
        yield from clashes(self)


def _as_name(title: str) -> str:
    """An AE title as the name of a folder."""
    return quote(title, safe=" ").replace(".", "%2E")
