"""Does a configuration go together? What is good alone but not with the rest is told."""

import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from hilum.config.mounts import AnyMount, DicomwebMount, DimseMount, FhirMount

if TYPE_CHECKING:
    from hilum.config.schema import DimseSettings, HttpSettings, Settings


def clashes(settings: "Settings") -> Iterator[str]:
    """What is good alone but not together: "path: what is wrong"."""
    if settings.server.workers > 1 and sys.platform == "win32":
        yield (
            "server.workers: Windows does not let several processes listen at one port and "
            "pass connections on; leave it at 1"
        )
    yield from _tls(settings)
    yield from _auth(settings)
    yield from _publish(settings)
    yield from _subscribed(settings)
    for name, mount in settings.mounts.items():
        if mount.default and settings.default_mount != name:
            yield f"mounts.{name}.default: {settings.default_mount} is the default mount already"
    yield from _names(settings)
    folders: dict[Path, str] = {}
    for name in settings.archives:
        first = folders.setdefault(settings.folder(name), name)
        if first != name:
            yield f"mounts.{name}.path: mounts.{first} has the same folder"
    for name, mount in settings.mounts.items():
        if _is_itself(settings, name, mount):
            yield f"mounts.{name}: stands for itself: what it asks would come back to it"
        if isinstance(mount, DimseMount) and mount.retrieve == "move" and not settings.has_dimse:
            yield f'mounts.{name}.retrieve: "move" needs the DIMSE door; see frontend.mode'
    if settings.frontend.mode == "both" and settings.dimse.port == settings.http.port != 0:
        yield f"http.port: dimse.port is {settings.dimse.port} too"
    ports = {name: door.port for name, door in settings.doors.items() if name != "admin"}
    ports |= {"dimse.tls": settings.dimse.tls_port or 0} if settings.has_dimse else {}
    yield from settings.admin.clashes(ports, has_login=settings.auth.enabled)


def _publish(settings: "Settings") -> Iterator[str]:
    """Mounts whose studies are brought somewhere that cannot say where the images are."""
    for name in settings.published:
        if settings.has_http and settings.http.public_url is None:
            yield (
                f"mounts.{name}.publish: needs http.public_url: the Endpoints that it brings "
                "to the FHIR server say where the images are"
            )


def _subscribed(settings: "Settings") -> Iterator[str]:
    """Mounts whose changes cannot be found out so."""
    for name, mount in settings.mounts.items():
        here, said = f"mounts.{name}.fhir", mount.fhir
        is_archive = name in settings.archives
        if is_archive and said.poll is not None:
            yield f"{here}.poll: is for systems elsewhere; an archive has `subscriptions`"
        if not is_archive and said.subscriptions:
            yield f"{here}.subscriptions: is for an archive; a system elsewhere has `poll`"
        if (said.subscriptions or said.poll is not None) and not (
            settings.has_http and settings.fhir.subscriptions.allow
        ):
            what = "subscriptions" if said.subscriptions else "poll"
            yield f"{here}.{what}: has no effect, as fhir.subscriptions.allow names nobody"
        if said.poll is not None and getattr(mount, "forward_token", False):
            yield f"{here}.poll: does not go with forward_token: nobody asks, so there is no token"


def _tls(settings: "Settings") -> Iterator[str]:
    """What does not go together with doors that speak TLS."""
    doors = settings.tls_doors
    if doors and settings.tls.certificate is None:
        yield (
            f"tls.certificate: is missing, as {doors[0]} is set; to try it, make one with "
            "`hilum cert self-signed`"
        )
    if doors and settings.server.workers > 1:
        yield (
            f"{doors[0]}: workers hand connections to each other, which they cannot do with "
            "those of TLS; set server.workers to 1, or let a proxy speak TLS"
        )
    if settings.dimse.tls and settings.dimse.tls_port is not None:
        yield "dimse.tls_port: has no use, as dimse.tls has dimse.port speak TLS already"
    if settings.has_dimse and settings.dimse.tls_port in {
        settings.dimse.port,
        settings.http.port,
    } - {0}:
        yield f"dimse.tls_port: {settings.dimse.tls_port} is taken by another door"


def _auth(settings: "Settings") -> Iterator[str]:
    """Rights on mounts that there are not; tokens that nobody can have."""
    for name, far in settings.mounts.items():
        passes = isinstance(far, DimseMount | DicomwebMount | FhirMount) and far.forward_token
        if passes and not (settings.auth.enabled and settings.auth.token.is_set):
            yield (
                f"mounts.{name}.forward_token: passes on tokens that were verified here, and "
                "[auth] verifies none"
            )
    named = {f"auth.rules.{name}": rule.mounts for name, rule in settings.auth.rules.items()}
    named |= {f"peers.{name}": peer.mounts for name, peer in settings.peers.items()}
    for where, mounts in named.items():
        for mount in mounts:
            if mount != "*" and mount not in settings.mounts:
                near = get_close_matches(mount, settings.mounts, n=1, cutoff=0.5)
                hint = f"; did you mean {near[0]}?" if near else ""
                yield f"{where}.mounts: there is no mount {mount}{hint}"


def _names(settings: "Settings") -> Iterator[str]:
    """AE titles and destinations that mean two things."""
    titles = {settings.server.aet: "server.aet"}
    titles |= {name: f"mounts.{name}" for name in settings.mounts}
    for name, peer in settings.peers.items():
        if peer.aet in titles:
            yield f"peers.{name}.aet: {titles[peer.aet]} has the same AE title"
        titles.setdefault(peer.aet, f"peers.{name}.aet")
    for name in settings.destinations:
        if name in titles:
            yield f"destinations.{name}: {titles[name]} has the same name"
    others = {peer.aet: f"peers.{name}.aet" for name, peer in settings.peers.items()}
    others |= {name: f"destinations.{name}" for name in settings.destinations}
    for name, mount in settings.mounts.items():
        if isinstance(mount, DimseMount):
            there = others | {mount.aet: f"mounts.{name}.aet"}
            for receiver in filter(there.__contains__, mount.receivers):
                holder = there[receiver]
                yield f"mounts.{name}.receivers: {receiver} is no title of ours but {holder}"


def _is_itself(settings: "Settings", name: str, mount: AnyMount) -> bool:
    """Whether a mount calls this server, and there itsettings."""
    if isinstance(mount, DimseMount):
        own = {name, settings.server.aet} if settings.default_mount == name else {name}
        calls = _calls(mount.host, mount.port, settings.dimse)
        return settings.has_dimse and calls and mount.aet in own
    if isinstance(mount, DicomwebMount | FhirMount):
        url = urlsplit(mount.url)
        usual = 443 if url.scheme == "https" else 80
        below, short = ("/fhir", "/fhir") if mount.backend == "fhir" else ("", "/dicomweb")
        own = {f"/aets/{quote(name)}{below}"}
        own |= {short} if settings.default_mount == name else set()
        calls = _calls(url.hostname or "", url.port or usual, settings.http)
        return settings.has_http and calls and url.path.removeprefix(settings.http.base_path) in own
    return False


def _calls(host: str, port: int, door: "DimseSettings | HttpSettings") -> bool:
    """Whether that place is this door, as far as can be told by looking."""
    return port == door.port and host.lower() in {"localhost", "127.0.0.1", "::1", door.bind}
