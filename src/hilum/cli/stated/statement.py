"""What does a conformance statement tell? The values it is made of."""

from dataclasses import dataclass

from hilum.codec.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME


@dataclass(frozen=True, slots=True)
class Service:
    """One service and the roles in which a mount has it.

    Attributes:
        scu: the mount asks for it of the system behind it (user agent, over HTTP).
        scp: the mount gives it (origin server, over HTTP).
    """

    name: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class Entity:
    """A mount: an application entity, and an origin server.

    Attributes:
        aet: its AE title; `also` others that mean it.
        behind: what it stands for, for people.
        roots: paths of its DICOMweb roots.
        receivers: AE titles of ours to which the system behind it sends by C-MOVE.
        passes_on: Move Destinations that are left to the system behind it.
    """

    aet: str
    also: tuple[str, ...]
    backend: str
    behind: str
    services: tuple[Service, ...]
    roots: tuple[str, ...]
    receivers: tuple[str, ...] = ()
    passes_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """What an SCP accepts in a presentation context."""

    sop_class: str
    name: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Door:
    """Where we listen."""

    protocol: str
    host: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class Remote:
    """An AE title, or a destination, of somebody else.

    Attributes:
        place: host and port, or a URL.
        proves: how it proves who it is; "" where it need not.
    """

    name: str
    aet: str
    place: str
    tls: bool
    may_call: bool
    proves: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """All that a conformance statement tells of one configuration."""

    product: str = "Hilum"
    version: str
    aet: str
    implementation_class_uid: str = IMPLEMENTATION_CLASS_UID
    implementation_version_name: str = IMPLEMENTATION_VERSION_NAME
    doors: tuple[Door, ...]
    entities: tuple[Entity, ...]
    contexts: tuple[Context, ...]
    storage_classes: tuple[str, ...]
    any_private_class: bool
    storage_syntaxes: tuple[str, ...]
    any_syntax: bool
    remotes: tuple[Remote, ...]
    accepts_unknown_callers: bool
    max_pdu: int
    max_associations: int
    max_associations_per_peer: int
    logins: bool
    proofs: tuple[str, ...]
    client_certificates: str
    audit: str

    @property
    def has_dimse(self) -> bool:
        """Whether there is an SCP at all."""
        return any(each.protocol == "DIMSE" for each in self.doors)

    @property
    def has_web(self) -> bool:
        """Whether there is an origin server at all."""
        return any(each.protocol == "HTTP" for each in self.doors)
