"""What stands behind a mount, as far as the configuration tells? Nothing is called."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hilum.config.mounts import AnyMount, ArchiveMount, DicomwebMount, DimseMount, FhirMount
from hilum.config.schema import Settings
from hilum.core.backend import Asks


@dataclass(frozen=True, slots=True)
class Far:
    """One mount and what stands behind it.

    Attributes:
        name: the mount's AE title.
        named: the backend, for people to read.
        asks: says what a question looks like; None for what needs no questions.
    """

    name: str
    mount: AnyMount
    named: str
    asks: Asks | None


@asynccontextmanager
async def opened(settings: Settings, name: str) -> AsyncIterator[Far]:
    """What stands behind the mount of that name, without a connection."""
    mount = settings.mounts[name]
    match mount:
        case ArchiveMount():
            yield Far(name, mount, f"archive in {settings.folder(name)}", None)
        case DimseMount():
            from hilum.backends.dimse.asks import Asking  # noqa: PLC0415 - each where it is asked for
            from hilum.backends.dimse.pool import Pool  # noqa: PLC0415
            from hilum.backends.dimse.remote import remote_of  # noqa: PLC0415

            pool = Pool(remote_of(mount, settings.server.aet, settings.tls), mount.pool)
            where = f"dimse: {mount.aet} at {mount.host}:{mount.port}"
            yield Far(name, mount, where, Asking(pool, mount))
        case DicomwebMount():
            from hilum.backends.dicomweb import open_origin  # noqa: PLC0415

            async with open_origin(mount) as origin:
                yield Far(name, mount, f"dicomweb: {mount.url}", origin)
        case FhirMount():
            from hilum.backends.fhir import open_index  # noqa: PLC0415

            async with open_index(mount) as index:
                yield Far(name, mount, f"fhir: {mount.url}", index)
