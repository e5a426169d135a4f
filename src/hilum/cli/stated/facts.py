"""What does a broker with this configuration do? The facts of its conformance statement."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import quote

import hilum
from hilum.cli.stated.statement import Context, Door, Entity, Remote, Service, Statement
from hilum.codec import sop_class
from hilum.config.mounts import AnyMount, ArchiveMount, DicomwebMount, DimseMount, FhirMount
from hilum.config.schema import Settings
from hilum.model import dictionary

VERIFICATION: Final = "Verification"
STORAGE: Final = "Storage"
FIND, MOVE, GET = "Query/Retrieve: FIND", "Query/Retrieve: MOVE", "Query/Retrieve: GET"
QIDO, WADO, STOW = "Search (QIDO-RS)", "Retrieve (WADO-RS, WADO-URI)", "Store (STOW-RS)"
SEND: Final = "Send (Supplement 248, provisional)"
DELETE: Final = "Delete (our own)"
FHIR: Final = "FHIR R4 read and search"
PUSH: Final = "FHIR R4 update (ImagingStudy, Patient), of what is stored"
ADMIN: Final = "HTTP, for administrators"
_BY_DIMSE: Final = (VERIFICATION, STORAGE, FIND, MOVE, GET)


def stated(settings: Settings) -> Statement:
    """The facts of a configuration; nothing is called, and no secret is in them."""
    taken, syntaxes = settings.dimse.sop_classes, settings.dimse.transfer_syntaxes
    return Statement(
        version=hilum.__version__,
        aet=settings.server.aet,
        doors=tuple(_doors(settings)),
        entities=tuple(_entity(settings, *each) for each in settings.mounts.items()),
        contexts=tuple(_contexts()) if settings.has_dimse else (),
        storage_classes=tuple(taken or _storage_classes()) if settings.has_dimse else (),
        any_private_class=not taken,
        storage_syntaxes=tuple(syntaxes or _transfer_syntaxes()) if settings.has_dimse else (),
        any_syntax=not syntaxes,
        remotes=tuple(_remotes(settings)),
        accepts_unknown_callers=settings.dimse.accept_unknown_callers,
        max_pdu=settings.dimse.max_pdu,
        max_associations=settings.dimse.max_associations,
        max_associations_per_peer=settings.dimse.max_associations_per_peer,
        logins=settings.auth.enabled,
        proofs=tuple(_proofs(settings)),
        client_certificates=settings.tls.client_certificates,
        audit=(settings.audit.syslog or "in files") if settings.audit.enabled else "off",
    )


def name_of(uid: str) -> str:
    """What the standard calls a UID; the UID itself where it does not know it."""
    return dictionary.name_of(uid).partition(":")[0]


def _doors(settings: Settings) -> Iterator[Door]:
    protocols = {"dimse": "DIMSE", "http": "HTTP", "admin": ADMIN}
    for name, door in settings.doors.items():
        yield Door(protocols[name], door.bind, door.port, door.tls)
        if name == "dimse" and settings.dimse.tls_port is not None:
            yield Door("DIMSE", door.bind, settings.dimse.tls_port, tls=True)


def _contexts() -> Iterator[Context]:
    services = (sop_class.VERIFICATION, *sorted(sop_class.FIND | sop_class.MOVE | sop_class.GET))
    for uid in services:
        yield Context(uid, name_of(uid), sop_class.UNCOMPRESSED)


def _storage_classes() -> Iterator[str]:
    return (uid for uid in dictionary.UIDS if sop_class.is_storage(uid))


def _transfer_syntaxes() -> Iterator[str]:
    return (uid for uid, entry in dictionary.UIDS.items() if entry[1] == "Transfer Syntax")


def _entity(settings: Settings, name: str, mount: AnyMount) -> Entity:
    is_default = settings.default_mount == name
    below = f"{settings.http.base_path}/aets/{quote(name, safe='')}"
    roots = [below, *([f"{settings.http.base_path}/dicomweb"] if is_default else [])]
    receivers: tuple[str, ...] = ()
    passes_on: tuple[str, ...] = ()
    if isinstance(mount, DimseMount):
        passes_on = mount.destinations
        if mount.retrieve != "get" and settings.has_dimse:
            receivers = mount.receivers or (settings.server.aet,)
    return Entity(
        aet=name,
        also=(settings.server.aet,) if is_default and settings.server.aet != name else (),
        backend=mount.backend,
        behind=_behind(settings, name, mount),
        services=tuple(_services(settings, mount)),
        roots=tuple(roots) if settings.has_http else (),
        receivers=receivers,
        passes_on=passes_on,
    )


def _behind(settings: Settings, name: str, mount: AnyMount) -> str:
    match mount:
        case ArchiveMount():
            return "an archive of files and an index, here"
        case DimseMount():
            calling = mount.calling or settings.server.aet
            return f"the PACS {mount.aet} at {mount.host}:{mount.port}, called by {calling}"
        case DicomwebMount():
            return f"the origin server at {mount.url}"
        case FhirMount():
            return f"the FHIR server at {mount.url}, and the origin servers of its Endpoints"
        case _:
            return f"{name}, by {mount.backend}"


def _services(settings: Settings, mount: AnyMount) -> Iterator[Service]:
    asks = {*_asked_behind(mount)}
    asks |= {STORAGE} if settings.peers else set()  # what a C-MOVE or Send sends to them
    asks |= {STOW} if settings.destinations else set()
    stores = not isinstance(mount, FhirMount)  # which takes none
    is_published = isinstance(mount, ArchiveMount) and mount.publish is not None
    for name in _BY_DIMSE:
        gives = settings.has_dimse and (stores or name != STORAGE)
        if gives or name in asks:
            yield Service(name, name in asks, gives)
    given = [QIDO, WADO, *([STOW] if stores else []), SEND, FHIR]
    if isinstance(mount, ArchiveMount) and mount.delete:
        given.append(DELETE)
    for name in given:
        if settings.has_http or name in asks:
            yield Service(name, name in asks, settings.has_http)
    if is_published:
        yield Service(PUSH, scu=True, scp=False)


def _asked_behind(mount: AnyMount) -> Iterator[str]:
    """The services that a mount asks for of the system behind it."""
    match mount:
        case DimseMount():
            yield from (VERIFICATION, STORAGE, FIND)
            if mount.retrieve != "move":
                yield GET
            if mount.retrieve != "get" or mount.destinations:
                yield MOVE
        case DicomwebMount():
            yield from (QIDO, WADO, STOW)
            if mount.send:
                yield SEND
        case FhirMount():
            yield from (FHIR, QIDO, WADO)


def _remotes(settings: Settings) -> Iterator[Remote]:
    for name, peer in settings.peers.items():
        proves = {"token": "a JSON Web Token", "ae": "its AE title", "password": "a passcode"}
        says = proves[peer.auth] if settings.auth.enabled else ""
        yield Remote(
            name, peer.aet, f"{peer.host}:{peer.port}", peer.tls, may_call=True, proves=says
        )
    for name, publisher in settings.archives.items():
        if publisher.publish is not None:
            yield _place(f"{name}.publish", publisher.publish.url)
    for name, there in settings.destinations.items():
        yield _place(name, there.url)


def _place(name: str, url: str) -> Remote:
    """Somebody who is only called, by HTTP."""
    return Remote(name, "", url, url.startswith("https:"), may_call=False, proves="")


def _proofs(settings: Settings) -> Iterator[str]:
    """What is taken for a proof of who somebody is."""
    if not settings.auth.enabled:
        return
    if settings.auth.token.is_set:
        yield "JSON Web Tokens of an issuer (HTTP: Bearer; DIMSE: User Identity type 5)"
    yield "tokens issued here (HTTP: Bearer; DIMSE: User Identity type 5)"
    if settings.tls.client_certificates != "none":
        yield "client certificates"
    ways = {peer.auth for peer in settings.peers.values()}
    if "password" in ways:
        yield "passcodes of peers (User Identity types 1 and 2)"
    if "ae" in ways:
        yield "AE titles of peers, which are believed"
