"""What do the pages of administrators look at, and act on? Put together of what runs."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from hilum.config.mounts import DimseMount
from hilum.config.schema import Settings
from hilum.core.explained import Question, Route
from hilum.core.jobs import BackgroundSends
from hilum.core.policy import Policy
from hilum.core.records import Tally
from hilum.frontends.admin.desk import Desk, Line
from hilum.frontends.admin.trial import Heard, Probes, Proposed
from hilum.model.errors import BadRequest
from hilum.model.principal import Principal
from hilum.service import requests
from hilum.state.state import State


@asynccontextmanager
async def open_desk(  # noqa: PLR0913 - what there is
    settings: Callable[[], Settings],
    underway: Callable[[], Sequence[Tally]],
    recent: Callable[[], Sequence[Line]],
    sends: BackgroundSends | None,
    state: State | None,
    *,
    worker: int,
) -> AsyncIterator[Desk]:
    """All of it, until the block is left; arguments as the attributes of `Desk`."""
    desk = Desk(
        settings=settings,
        underway=underway,
        recent=recent,
        sends=tuple if sends is None else sends.every,
        queue=None if state is None else state.queue,
        tokens=None if state is None else state.tokens,
        echo_peer=_echoing(settings),
        reload=_reloading(settings),
        explain=_explaining(settings, state),
        probe=_probing(settings),
        worker=worker,
    )
    async with desk.open():
        yield desk


def _echoing(settings: Callable[[], Settings]) -> Callable[[str], Awaitable[float]]:
    async def echo(name: str) -> float:
        # Imported where it is wanted: what speaks to systems elsewhere takes 8 MB.
        from hilum.backends.dimse import echo as dimse  # noqa: PLC0415
        from hilum.backends.dimse.remote import remote  # noqa: PLC0415
        from hilum.upper_layer.requestor import associate  # noqa: PLC0415

        now = settings()
        to = remote(now.peers[name], now.server.aet, now.tls)
        began = time.perf_counter()
        async with associate(to, [dimse.CONTEXT]) as association:
            await dimse.echo(association)
            return time.perf_counter() - began

    return echo


def _reloading(
    settings: Callable[[], Settings],
) -> Callable[[Principal], Awaitable[Mapping[str, Any]]]:
    async def reload(who: Principal) -> Mapping[str, Any]:
        """As `hilum reload` does it: so whoever looks after several workers tells all of them."""
        try:
            return await asyncio.to_thread(requests.ask, settings().requests, who)
        except requests.NobodyThere as error:
            return {"ok": False, "applied": [], "restart": [], "problems": [str(error)]}

    return reload


def _explaining(
    settings: Callable[[], Settings], state: State | None
) -> Callable[[Question, Policy], Awaitable[Route]]:
    async def explain(question: Question, policy: Policy) -> Route:
        from hilum.explaining.route import explained  # noqa: PLC0415 - likewise, of every backend

        issued = None if state is None else state.tokens
        return await explained(question, settings(), policy, issued)

    return explain


def _probing(settings: Callable[[], Settings]) -> Probes:
    async def probe(name: str, retrieves: bool, heard: Heard) -> Proposed:  # noqa: FBT001 - see Probes
        from hilum.backends.dimse.probe import Wishes  # noqa: PLC0415 - likewise
        from hilum.backends.dimse.probe import probe as probed  # noqa: PLC0415
        from hilum.backends.dimse.proposal import free_name, proposed  # noqa: PLC0415
        from hilum.backends.dimse.remote import remote, remote_of  # noqa: PLC0415

        now = settings()
        kind, _, title = name.partition(":")
        mount = now.mounts.get(title) if kind == "mount" else None
        if isinstance(mount, DimseMount):
            to = remote_of(mount, now.server.aet, now.tls)
        elif kind == "peer" and title in now.peers:
            to = remote(now.peers[title], now.server.aet, now.tls)
            title = free_name(to.called, now)
        else:  # it is gone since
            raise BadRequest("there is no mount or peer of that name that speaks DIMSE")
        known = await probed(
            to, Wishes(retrieves=retrieves), lambda found: heard(found.title, found.text)
        )
        found, table = proposed(known, title, to, now.server.aet)
        return Proposed(title, found, table)

    return probe
