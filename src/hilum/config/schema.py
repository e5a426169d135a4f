"""What can be configured: every setting, its type, its default and what it means."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    model_validator,
)

from hilum.config import units
from hilum.model.identity import is_uid

LEAST_PDU = 64  # bytes of a P-DATA-TF; smaller ones are nothing but headers
MAX_AE_TITLE = 16  # characters, PS3.5 §6.2, VR AE


def ae_title(text: str) -> str:
    """An AE title without the blanks around it, which mean nothing (PS3.5 §6.2).

    Raises:
        ValueError: it cannot be one.
    """
    stripped = text.strip(" ")
    if not stripped:
        raise ValueError("an AE title is not empty")
    if len(stripped) > MAX_AE_TITLE:
        raise ValueError(f"an AE title has at most {MAX_AE_TITLE} characters")
    if not all(" " <= each <= "~" and each != "\\" for each in stripped):
        raise ValueError("an AE title is plain ASCII, without backslash and control characters")
    return stripped


def _listed(value: object) -> object:
    """A TOML array, or the commas of an environment variable, as a tuple."""
    if isinstance(value, str):
        return tuple(each.strip() for each in value.split(",") if each.strip())
    return tuple(value) if isinstance(value, list) else value


def _uid(text: str) -> str:
    if not is_uid(text):
        raise ValueError("not a UID: at most 64 digits and dots")
    return text


def _path(value: object, info: ValidationInfo) -> object:
    """A path; a relative one starts at the folder of the configuration file."""
    if value == "":
        raise ValueError("a path is not empty")
    path = Path(value).expanduser() if isinstance(value, (str, Path)) else value
    return info.context["folder"] / path if info.context and isinstance(path, Path) else path


def _host(text: str) -> str:
    host = text.strip().removeprefix("[").removesuffix("]")
    if not host or any(each.isspace() or each == "/" for each in host):
        raise ValueError("not a host name or an address")
    return host


def _base_path(text: str) -> str:
    inner = text.strip("/")
    if any(each.isspace() or each in "?#" for each in inner):
        raise ValueError('not a path; write it like "/pacs"')
    return f"/{inner}" if inner else ""


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise ValueError('not a base URL; write it like "https://images.example.org"')
    return text.rstrip("/")


def _max_pdu(size: int) -> int:
    if 0 < size < LEAST_PDU:
        raise ValueError(f"at least {LEAST_PDU} bytes, or 0 for no limit")
    return size


AeTitle = Annotated[str, AfterValidator(ae_title)]
Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
BindPort = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, BeforeValidator(units.seconds), Field(gt=0, allow_inf_nan=False)]
Grace = Annotated[float, BeforeValidator(units.seconds), Field(ge=0, allow_inf_nan=False)]
Size = Annotated[int, BeforeValidator(units.size), Field(gt=0)]
Folder = Annotated[Path, BeforeValidator(_path)]
Uids = Annotated[tuple[Annotated[str, AfterValidator(_uid)], ...], BeforeValidator(_listed)]
MaxPdu = Annotated[
    int, BeforeValidator(units.size), Field(ge=0, le=2**32 - 1), AfterValidator(_max_pdu)
]
Secret = SecretStr
"""A value that no log, message or dump shows. Written as `{env = "NAME"}` or `{file = "PATH"}`."""


class _Section(BaseModel):
    """Base of all sections: nothing unknown gets in, nothing changes afterwards."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )


class ServerSettings(_Section):
    """Who we are and where our state lives."""

    aet: AeTitle = "HILUM"
    """The server's own AE title. Whoever calls it reaches the default mount."""
    data: Annotated[Folder, Field(validate_default=True)] = Path("./data")
    """The folder that holds everything kept. A relative path starts at the folder of the file."""


class FrontendSettings(_Section):
    """Which doors are open."""

    mode: Literal["both", "dimse", "http"] = "both"
    """`both`, only `dimse`, or only `http`."""


class DimseSettings(_Section):
    """The DIMSE door."""

    bind: Host = "127.0.0.1"
    """Address to listen at; `0.0.0.0` is every IPv4 address of the machine, `::` also IPv6."""
    port: BindPort = 11112
    """TCP port to listen at; 0 takes any free one."""
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


class HttpSettings(_Section):
    """The DICOMweb door."""

    bind: Host = "127.0.0.1"
    """Address to listen at; `0.0.0.0` is every IPv4 address of the machine, `::` also IPv6."""
    port: BindPort = 8080
    """TCP port to listen at; 0 takes any free one."""
    base_path: Annotated[str, AfterValidator(_base_path)] = ""
    """A path in front of all of ours, such as `/pacs`."""
    public_url: Annotated[str, AfterValidator(_url)] | None = None
    """The URL by which clients see us, for links in answers; by default from each request."""
    trust_forwarded: bool = False
    """Whether to believe `Forwarded` and `X-Forwarded-*` headers. Only behind a proxy of yours."""
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


class ArchiveMount(_Section):
    """A mount that keeps instances in files here."""

    backend: Literal["archive"] = "archive"
    """What stands behind the mount."""
    default: bool = False
    """Whether this is the mount behind `/dicomweb` and the server's own AE title."""
    path: Folder | None = None
    """Its folder; by default `archive/` and the mount's name within the data folder."""
    durability: Literal["full", "relaxed"] = "full"
    """`full`: success is only answered when a power cut can no longer take the instance."""
    duplicates: Literal["keep", "replace", "reject"] = "keep"
    """What becomes of another data set under a SOP Instance UID that is already there."""


class Peer(_Section):
    """Who may call us, and where C-MOVE may send."""

    aet: AeTitle
    """Its AE title, as it calls itself and wants to be called."""
    host: Host
    """Its name or address."""
    port: Port
    """The TCP port it listens at."""
    max_pdu: MaxPdu = 131072
    """The longest P-DATA-TF PDU we take from it when we call it, in bytes; 0 means no limit."""
    connect_timeout: Seconds = 10.0
    """How long the TCP connection to it may take."""
    acse_timeout: Seconds = 30.0
    """How long it may take to accept or release an association."""
    message_timeout: Seconds = 60.0
    """How long it may be silent in the middle of a message, or before its response."""


class LoggingSettings(_Section):
    """What is said on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important lines that are written."""
    format: Literal["text", "json"] = "text"
    """`text` for people, `json` for machines, one object a line."""


class Settings(_Section):
    """Everything that one configuration file says."""

    server: ServerSettings = ServerSettings()
    frontend: FrontendSettings = FrontendSettings()
    dimse: DimseSettings = DimseSettings()
    http: HttpSettings = HttpSettings()
    mounts: dict[AeTitle, ArchiveMount] = {}
    peers: dict[str, Peer] = {}
    logging: LoggingSettings = LoggingSettings()

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

    def folder(self, mount: str) -> Path:
        """Where that archive mount keeps its files.

        An AE title may hold what a folder's name may not ("/", ".."): that is escaped.
        """
        path = self.mounts[mount].path
        if path is not None:
            return path
        return self.server.data / "archive" / quote(mount, safe=" ").replace(".", "%2E")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        problems = [*self._clashes()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _clashes(self) -> Iterator[str]:
        """What is good alone but not together: "path: what is wrong"."""
        for name, mount in self.mounts.items():
            if mount.default and self.default_mount != name:
                yield f"mounts.{name}.default: {self.default_mount} is the default mount already"
        titles = {self.server.aet: "server.aet"}
        titles |= {name: f"mounts.{name}" for name in self.mounts}
        for name, peer in self.peers.items():
            if peer.aet in titles:
                yield f"peers.{name}.aet: {titles[peer.aet]} has the same AE title"
            titles.setdefault(peer.aet, f"peers.{name}.aet")
        folders: dict[Path, str] = {}
        for name in self.mounts:
            first = folders.setdefault(self.folder(name), name)
            if first != name:
                yield f"mounts.{name}.path: mounts.{first} has the same folder"
        if self.frontend.mode == "both" and self.dimse.port == self.http.port != 0:
            yield f"http.port: dimse.port is {self.dimse.port} too"
