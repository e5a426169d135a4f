"""What can stand behind a mount: every setting of each kind of backend."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from hilum.config.fhir import MountFhir
from hilum.config.kinds import (
    RESTART,
    AeTitle,
    AeTitles,
    Certificates,
    Charset,
    File,
    Folder,
    Headers,
    Host,
    MaxPdu,
    Origins,
    Port,
    RootUrl,
    Seconds,
    Secret,
    Section,
    Size,
    Token,
    Url,
)
from hilum.config.login import OAuth, UserIdentity
from hilum.config.tls import Identity, TlsPeer


class Pool(Section):
    """The associations with one peer."""

    size: Annotated[int, Field(ge=1)] = 8
    """Associations open at the same time."""
    timeout: Seconds = 10.0
    """How long a request waits for one of them to be free."""
    idle: Seconds = 30.0
    """How long an association that nobody uses stays open to be used again."""


class Cache(Section):
    """What was retrieved, kept on disk to be given again; on when one of the two is set."""

    max_size: Size | None = None
    """The most bytes kept; what was not asked for the longest time goes first."""
    max_age: Seconds | None = None
    """How long a study is kept after it was retrieved."""

    @property
    def is_on(self) -> bool:
        """Whether anything is kept."""
        return self.max_size is not None or self.max_age is not None


class Remote(Section):
    """What every mount has that stands for a system elsewhere."""

    reloads = True

    default: bool = False
    """Whether this is the mount behind `/dicomweb` and the server's own AE title."""
    wait: Literal["stream", "retry_after", "job"] = "stream"
    """How a web client waits for a retrieval: `stream` sends while the far side still sends;
    `retry_after` answers 503 until everything is here; `job` answers 202 and tells of progress."""
    retry_after: Seconds = 10.0
    """What Retry-After says to who waits that way."""
    max_retries: Annotated[int, Field(ge=0)] = 3
    """How often a retrieval that runs in the background is tried again."""
    retry_delay: Seconds = 10.0
    """How long it waits before that."""
    spool: bool = False
    """Whether a retrieval goes through files on disk, so that who asks for the same study shares
    it. Always so where there is a cache, or `wait` is not `stream`."""
    cache: Cache = Cache()
    fhir: MountFhir = MountFhir()
    walk_limit: Annotated[int, Field(ge=1)] = 1000
    """The most studies or series that one query may look into, where the far side cannot answer
    it as it is."""

    @property
    def is_spooled(self) -> bool:
        """Whether retrievals go through files on disk."""
        return self.spool or self.cache.is_on or self.wait != "stream"


class DimseMount(Remote, TlsPeer):
    """A mount that stands for a PACS spoken to by DIMSE."""

    backend: Literal["dimse"]
    """What stands behind the mount."""
    aet: AeTitle
    """The AE title of the PACS."""
    host: Host
    """Its name or address."""
    port: Port
    """The TCP port it listens at."""
    calling: AeTitle | None = None
    """The AE title we call it by; by default `server.aet`."""
    identity: UserIdentity | None = None
    """As whom we call it, where it wants to know (User Identity, PS3.7 §D.3.3.7)."""
    forward_token: bool = False
    """Whether it is called with the token of who asks us, as User Identity type 5. Nobody without
    one gets anything from it, and callers share no association and nothing that was retrieved.
    C-MOVEs to one receiver then run one after another."""
    max_pdu: MaxPdu = 131072
    """The longest P-DATA-TF PDU we take from it, in bytes; 0 means no limit."""
    connect_timeout: Seconds = 10.0
    """How long the TCP connection to it may take."""
    acse_timeout: Seconds = 30.0
    """How long it may take to accept or release an association."""
    query_timeout: Seconds = 30.0
    """How long it may take for each response to a query."""
    query_deadline: Seconds = 600.0
    """How long a query may take in all."""
    retrieve_timeout: Seconds = 60.0
    """How long it may be silent in a retrieval."""
    retrieve_deadline: Seconds = 3600.0
    """How long a retrieval may take in all."""
    store_timeout: Seconds = 60.0
    """How long it may take to answer a C-STORE."""
    pool: Pool = Pool()
    information_model: Literal["study", "patient"] = "study"
    """Which of the two models queries and retrievals use; PATIENT level always uses `patient`."""
    relational: Literal["auto", "never"] = "auto"
    """`auto` asks across levels where the PACS agrees to that; `never` walks the levels."""
    cancel: Literal["cancel", "abort"] = "cancel"
    """How a query is stopped of which no more is wanted: by C-CANCEL, or by ending the
    association, for a PACS that takes long to honour it."""
    charset: Charset | None = None
    """The Specific Character Set its answers are really in, whatever they declare; by default
    what they declare, and where that is nothing, what they look like."""
    max_answers: Annotated[int, Field(ge=1)] | None = None
    """The most answers it gives to one query, where it leaves out the others without a word: who
    gets as many is warned that there may be more."""
    metadata: Literal["retrieve", "find"] = "retrieve"
    """Where metadata come from: `retrieve` reads them from the instances; `find` asks for what a
    viewer needs by an IMAGE level query first, and retrieves only where the answers lack some of
    it. Such metadata are partial."""
    retrieve: Literal["auto", "get", "move"] = "auto"
    """C-GET, or C-MOVE to ourselves; `auto` takes C-GET where the PACS accepts it."""
    receivers: AeTitles = ()
    """AE titles of ours that the PACS knows as Move Destinations, at `dimse.port`; by default
    `server.aet`. Several let retrievals run beside each other whose arrivals it does not mark."""
    senders: AeTitles = ()
    """AE titles by which its C-STOREs come, where that is not `aet`."""
    mode: Literal["auto", "concurrent", "sequential"] = "auto"
    """Whether C-MOVEs to one receiver run at the same time: `auto` does until the PACS leaves out
    the Move Originator, then one at a time."""
    arrival_timeout: Seconds = 30.0
    """How long after the last arrival, or the end of the C-MOVE, what is missing may still come."""
    uncompressed: bool = False
    """Whether to ask for uncompressed instances only, of a PACS that fails at compressed ones."""
    destinations: AeTitles = ()
    """Move Destinations that the PACS knows itself: a C-MOVE or Send to them is passed on to it."""

    def _clashes(self) -> Iterator[str]:
        yield from super()._clashes()
        if self.forward_token and self.identity is not None:
            yield "identity: does not go with forward_token: it is called as who asks"
        if self.forward_token and self.mode == "concurrent":
            yield 'mode: "concurrent" does not go with forward_token: arrivals could be mixed up'


class Web(Identity):
    """How a web server is spoken to."""

    username: str | None = None
    """For HTTP Basic authentication."""
    password: Secret | None = None
    """For HTTP Basic authentication."""
    bearer: Token | None = None
    """A token for `Authorization: Bearer`."""
    bearer_file: File | None = None
    """A file with such a token, which somebody else renews: it is read again when it changes."""
    oauth: OAuth | None = None
    """How we get such tokens ourselves, by OAuth 2.0 client credentials."""
    headers: Headers = Field(default={})
    """More headers of every request."""
    ca_file: Certificates | None = None
    """A file with the certificates (PEM) of the authorities that are believed for its servers, or
    their own; by default those of the system. Where it is set nobody else is."""
    check_host: bool = True
    """Whether its certificate must name the host of the URL."""
    proxy: Url | None = None
    """An HTTP proxy; by default what the environment says."""
    http2: bool = False
    """Whether HTTP/2 is offered over TLS."""
    max_connections: Annotated[int, Field(ge=1)] = 32
    """Connections open at the same time, for each of queries, retrievals and storing."""
    connect_timeout: Seconds = 10.0
    """How long a connection may take."""
    store_timeout: Seconds = 300.0
    """How long the server may take to take in, and to answer, a STOW-RS request."""
    retries: Annotated[int, Field(ge=0)] = 3
    """How often a request that changes nothing is tried again when the server is not reached, or
    answers 429, 502, 503 or 504."""
    backoff: Seconds = 0.5
    """How long before the first of these, then twice as long each time; Retry-After goes first."""

    def _clashes(self) -> Iterator[str]:
        yield from super()._clashes()
        if self.username is not None and self.password is None:
            yield "password: is missing, as there is a username"
        if self.username is None and self.password is not None:
            yield "username: is missing, as there is a password"
        ways = [*self._ways()]
        if len(ways) > 1:
            yield f"{ways[1]}: does not go with {ways[0]}: a request has one Authorization"

    def _ways(self) -> Iterator[str]:
        """The settings that say what is in Authorization."""
        for name in ("username", "bearer", "bearer_file", "oauth"):
            if getattr(self, name) is not None:
                yield name
        for each in self.headers:
            if each.lower() == "authorization":
                yield f"headers.{each}"


class Publish(Web):
    """A FHIR server that every study of a mount is brought to, and kept up to date at."""

    url: Url
    """The root of its FHIR R4 service: what `/ImagingStudy` comes behind."""
    timeout: Seconds = 30.0
    """How long it may be silent in answering."""
    at_once: Annotated[int, Field(ge=1, le=64)] = 4
    """Studies that are brought there at the same time."""
    max_age: Seconds = 72 * 3600.0
    """How long it is tried to bring a study there before it is given up; see `hilum queue`."""
    patients: Literal["update", "create"] = "update"
    """`update` keeps its Patients as DICOM has them; `create` leaves those alone that are there, as
    somebody else keeps them."""


class ArchiveMount(Section):
    """A mount that keeps instances in files here."""

    reloads = True

    backend: Literal["archive"] = "archive"
    """What stands behind the mount."""
    default: bool = False
    """Whether this is the mount behind `/dicomweb` and the server's own AE title."""
    path: Folder | None = None
    """Its folder; by default `archive/` and the mount's name within the data folder."""
    durability: Annotated[Literal["full", "relaxed"], RESTART] = "full"
    """`full`: success is only answered when a power cut can no longer take the instance."""
    duplicates: Annotated[Literal["keep", "replace", "reject"], RESTART] = "keep"
    """What becomes of another data set under a SOP Instance UID that is already there."""
    delete: bool = False
    """Whether studies, series and instances may be deleted (DELETE over HTTP)."""
    fhir: MountFhir = MountFhir()
    publish: Annotated[Publish | None, RESTART] = None

    @property
    def is_followed(self) -> bool:
        """Whether anybody wants to know which studies change."""
        return self.publish is not None or self.fhir.subscriptions


class DicomwebMount(Remote, Web):
    """A mount that stands for an origin server spoken to by DICOMweb."""

    backend: Literal["dicomweb"]
    """What stands behind the mount."""
    url: RootUrl
    """Its root: what `/studies` comes behind."""
    qido_url: RootUrl | None = None
    """The root of its queries, where that is another one."""
    wado_url: RootUrl | None = None
    """The root of its retrievals, where that is another one."""
    stow_url: RootUrl | None = None
    """The root for storing, where that is another one."""
    query_timeout: Seconds = 30.0
    """How long the server may be silent in answering a query."""
    retrieve_timeout: Seconds = 60.0
    """How long the server may be silent in a retrieval."""
    forward_token: bool = False
    """Whether the token of who asks us is passed on to the server. Nobody without one gets anything
    from it, and callers share nothing that was retrieved."""
    send: bool = False
    """Whether it does Send (Supplement 248), so that a C-MOVE or Send is passed on to it, unless it
    goes to a mount of ours."""

    def _ways(self) -> Iterator[str]:
        yield from super()._ways()
        if self.forward_token:
            yield "forward_token"


class Endpoints(Web):
    """The DICOMweb servers that the Endpoints of a FHIR server lead to, and how they are spoken to.

    Its own host is always one of them, and is spoken to like the FHIR server.
    """

    hosts: Origins = ()
    """The others that may be asked, such as `https://pacs.example.org`; what leads elsewhere is
    refused."""

    def _clashes(self) -> Iterator[str]:
        yield from super()._clashes()
        if "*" in self.hosts:
            yield "hosts: name each server; whoever writes Endpoints must not choose what is asked"


class FhirMount(Remote, Web):
    """A mount that stands for a FHIR server, and for the DICOMweb servers that it refers to."""

    backend: Literal["fhir"]
    """What stands behind the mount."""
    url: RootUrl
    """Its root: what `/ImagingStudy` comes behind."""
    query_timeout: Seconds = 30.0
    """How long a server may be silent in answering a query."""
    retrieve_timeout: Seconds = 60.0
    """How long a DICOMweb server may be silent in a retrieval."""
    forward_token: bool = False
    """Whether the token of who asks us is passed on to the FHIR server, and to DICOMweb on its
    host. Nobody without one gets anything from it, and callers share nothing that was retrieved."""
    endpoints: Endpoints = Endpoints()

    def _ways(self) -> Iterator[str]:
        yield from super()._ways()
        if self.forward_token:
            yield "forward_token"


class UrlDestination(Web):
    """Where a C-MOVE or Send may go over STOW-RS, by the name of this table."""

    reloads = True

    url: RootUrl
    """The root of the service: what `/studies` comes behind."""


def _kind(value: Any) -> str:  # noqa: ANN401 - whatever stands in the file
    if isinstance(value, Section):
        return str(getattr(value, "backend", ""))
    if not isinstance(value, dict):
        return "archive"  # which says that it is no table
    says = value.get("backend", "archive")
    return says if isinstance(says, str) else ""


AnyMount: TypeAlias = Annotated[
    Annotated[ArchiveMount, Tag("archive")]
    | Annotated[DimseMount, Tag("dimse")]
    | Annotated[DicomwebMount, Tag("dicomweb")]
    | Annotated[FhirMount, Tag("fhir")],
    Discriminator(_kind),
]
