"""Where imported instances go: into the archive itself, or to the broker that holds it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import quote

from hilum.backends.archive import open_archive
from hilum.backends.dimse.remote import remote
from hilum.backends.dimse.store import PeerStores
from hilum.cli.common import reachable
from hilum.cli.intake.web import WebStores
from hilum.cli.walk.row import ourselves, ourselves_by_web, web_root
from hilum.config.schema import Settings
from hilum.core.backend import Stores
from hilum.model.errors import BackendUnavailable
from hilum.service import checks

STRANGER = "HILUM_IMPORT"  # AE title of a caller that nobody knows


@asynccontextmanager
async def destination(settings: Settings, mount: str) -> AsyncIterator[Stores]:
    """The archive of that mount; a running broker is asked over its own doors.

    Raises:
        BackendError: the archive cannot be used, or is held and its holder cannot be asked.
    """
    async with AsyncExitStack() as stack:
        archive = open_archive(settings.archives[mount], settings.folder(mount), mount)
        try:
            stores: Stores = await stack.enter_async_context(archive)
        except BackendUnavailable:
            if not checks.held(settings.folder(mount)):
                raise
            stores = running(settings, mount)
        yield stores


def running(settings: Settings, mount: str) -> Stores:
    """The mount of a broker that runs here with the same configuration.

    Raises:
        BackendUnavailable: it would let nobody in.
    """
    if settings.has_http:
        return WebStores(
            f"{web_root(settings)}/aets/{quote(mount, safe='')}", ourselves_by_web(settings)
        )
    callers = [peer.aet for peer in settings.peers.values()]
    if settings.dimse.accept_unknown_callers:
        callers.append(STRANGER)
    if not callers:
        raise BackendUnavailable(
            "a running broker holds the archive and knows no caller: add one to [peers] or stop it"
        )
    here = ourselves(settings, mount, reachable(settings.dimse.bind))
    return PeerStores(remote(here, callers[0], settings.tls))
