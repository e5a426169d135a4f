"""Which way instances and their metadata go: to whoever asks, to the far side, elsewhere."""

from collections.abc import Iterator
from dataclasses import replace

from hilum.backends.dicomweb.resources import of_ref
from hilum.backends.dicomweb.wanted import LISTED_FIRST, count_of, list_of
from hilum.codec.fhir.search import encoded, of_study
from hilum.codec.question import keys_of
from hilum.config.mounts import ArchiveMount, DicomwebMount, DimseMount, FhirMount, Remote
from hilum.config.schema import Settings
from hilum.core.explained import Asking, Way
from hilum.core.sift import named
from hilum.explaining.far import Far
from hilum.explaining.request import Request, nearest
from hilum.model.errors import UnknownDestination
from hilum.model.identity import Ref

_WAITS = {
    "stream": "bytes go out while the far side still sends",
    "retry_after": "503 with Retry-After until everything is here",
    "job": "202 with a status resource until everything is here",
}


def moving(request: Request, far: Far, settings: Settings) -> list[Way]:
    """The way of anything but a search, and of what the broker does not answer by itself.

    Raises:
        UnknownDestination: of a Send.
    """
    if request.operation == "store":
        return [_taken(request.ref, far)]
    if request.operation == "send":
        return [Way("", notes=[_sent(request.destination, far, settings)])]
    if request.operation in {"retrieve", "lend"}:
        looked = ["the instance is looked into here"] if request.operation == "lend" else []
        way = list(_retrieved(request.ref, far, settings))
        return [Way("", way, [*looked, *_waits(far)])]
    if request.operation == "delete":
        return [_deleted(far)]
    return list(_described(request, far, settings))


def _taken(ref: Ref, far: Far) -> Way:
    if isinstance(far.mount, FhirMount):
        return Way("", refused=f"{far.name} takes no instances, as it is a FHIR server")
    return Way("", list(_stored(ref, far)), _kept(far))


def _deleted(far: Far) -> Way:
    if isinstance(far.mount, ArchiveMount) and far.mount.delete:
        return Way("", notes=["deleted from the archive, for good"])
    return Way("", refused=f"{far.name} does not let anything be deleted")


def _retrieved(ref: Ref, far: Far, settings: Settings) -> Iterator[Asking]:
    level = ref.level.value
    match far.mount:
        case ArchiveMount():
            yield Asking(level, "read from the files of the archive", [], [])
        case DicomwebMount():
            root = far.mount.wado_url or far.mount.url
            yield Asking(level, "WADO-RS", [[f"GET {root}{of_ref(ref)}"]], [])
            if ref.instance is None and ref.study is not None and far.asks is not None:
                why = "QIDO-RS, meanwhile: how many must come"
                yield Asking(level, why, [[*far.asks.told(count_of(ref))]], [])
                why = f"QIDO-RS, where that are up to {LISTED_FIRST}, or not all came: which ones"
                yield Asking("IMAGE", why, [[*far.asks.told(list_of(ref))]], [])
        case FhirMount():
            asked = encoded(of_study(ref.study or "{StudyInstanceUID}"))
            url = f"GET {far.mount.url}/ImagingStudy?{asked}"
            yield Asking("STUDY", "which Endpoint gives the study", [[url]], [])
            asked = of_ref(ref if ref.study else replace(ref, study="{StudyInstanceUID}"))
            yield Asking(level, "WADO-RS, at its address", [[f"GET {{address}}{asked}"]], [])
        case DimseMount():
            keys = [f"{named(path)} = {value}" for path, value in keys_of(ref).items()]
            where = f"{far.mount.aet} at {far.mount.host}:{far.mount.port}"
            why = "what there is, to hold against it what comes"
            yield Asking("IMAGE", why, [[f"C-FIND to {where}", *keys]], [])
            receivers = ", ".join(far.mount.receivers or (settings.server.aet,))
            how = {
                "get": f"C-GET from {where}",
                "move": f"C-MOVE by {where} to {receivers}: us, at port {settings.dimse.port}",
                "auto": f"C-GET from {where}; where it does not take that, C-MOVE to {receivers}",
            }[far.mount.retrieve]
            yield Asking(level, "at the level that was asked for", [[how, *keys]], [])


def _waits(far: Far) -> Iterator[str]:
    if not isinstance(far.mount, Remote):
        return
    yield f"wait = {far.mount.wait}: {_WAITS[far.mount.wait]}"
    if far.mount.cache.is_on:
        yield "what is in the cache already is not asked for"
    elif far.mount.is_spooled:
        yield "who asks for the same meanwhile shares the retrieval"


def _described(request: Request, far: Far, settings: Settings) -> Iterator[Way]:
    retrieved = list(_retrieved(request.ref, far, settings))
    match far.mount:
        case ArchiveMount():
            what = "the index" if request.operation == "describe" else "the instance's file"
            yield Way("", notes=[f"answered from {what} of the archive: nothing is sent"])
        case DicomwebMount():
            root = far.mount.wado_url or far.mount.url
            asked = Asking(
                request.ref.level.value,
                "WADO-RS",
                [[f"GET {root}{of_ref(request.ref)}/metadata"]],
                [],
            )
            bulk = request.operation == "bulk"
            notes = ["then the URL that it gives for the value"] if bulk else []
            yield Way("where the server has metadata", [asked], notes)
            yield Way("where the server has none", retrieved, [_READ, *_waits(far)])
        case FhirMount():
            url = f"GET {{address}}{of_ref(request.ref)}/metadata"
            asked = Asking(request.ref.level.value, "WADO-RS, at its address", [[url]], [])
            bulk = request.operation == "bulk"
            notes = ["then the URL that it gives for the value"] if bulk else []
            yield Way("where the server has metadata", [*retrieved[:1], asked], notes)
            yield Way("where the server has none", retrieved, [_READ, *_waits(far)])
        case DimseMount():
            yield Way("", retrieved, [_READ, *_waits(far)])


_READ = "the metadata is read here, from the instances as they stream by"


def _stored(ref: Ref, far: Far) -> Iterator[Asking]:
    match far.mount:
        case ArchiveMount():
            yield Asking("IMAGE", "written to the files of the archive", [], [])
        case DicomwebMount():
            root = far.mount.stow_url or far.mount.url
            below = f"/{ref.study}" if ref.study else ""
            yield Asking("IMAGE", "STOW-RS", [[f"POST {root}/studies{below}"]], [])
        case DimseMount():
            where = f"{far.mount.aet} at {far.mount.host}:{far.mount.port}"
            yield Asking("IMAGE", "an instance at a time", [[f"C-STORE to {where}"]], [])


def _kept(far: Far) -> list[str]:
    if isinstance(far.mount, ArchiveMount):
        return [f"duplicates: {far.mount.duplicates}; durability: {far.mount.durability}"]
    return ["nothing is kept here; success is what the far side says of each instance"]


def _sent(name: str, far: Far, settings: Settings) -> str:
    """What becomes of a Send."""
    target = _target(name, settings)
    how = ""
    if isinstance(far.mount, DimseMount) and name in far.mount.destinations:
        how, unless = f"passed on: C-MOVE by {far.mount.aet} to {name}", " (A801)"
    elif isinstance(far.mount, DicomwebMount) and far.mount.send:
        how, unless = f"passed on: Send by {far.mount.url} to {name}", ""
    if how:
        return f"{how}; where it does not know that{unless}: {target}" if target else how
    if not target:
        names = [*settings.mounts, *settings.destinations]
        names += [peer.aet for peer in settings.peers.values()]
        raise UnknownDestination(f"no peer, mount or URL has the name {name}{nearest(name, names)}")
    return target


def _target(name: str, settings: Settings) -> str:
    """Where instances that are retrieved here are stored; "" where nobody knows."""
    own = name == settings.server.aet and name not in settings.mounts
    title = settings.default_mount if own else name
    if title in settings.mounts:
        return f"retrieved, and stored at the mount {title}"
    for peer in settings.peers.values():
        if peer.aet == name:
            return f"retrieved, and stored by C-STORE at {peer.aet} ({peer.host}:{peer.port})"
    if name in settings.destinations:
        return f"retrieved, and stored by STOW-RS at {settings.destinations[name].url}/studies"
    return ""
