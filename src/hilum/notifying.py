"""How do subscribers get to know? One process notifies them; each mount's home finds changes."""

import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import orjson

from hilum.codec.fhir.values import text
from hilum.config.mounts import Web
from hilum.config.schema import Settings
from hilum.core import work
from hilum.core.broker import Broker
from hilum.core.detecting import Looks
from hilum.core.operations import Find
from hilum.core.queue import SUBSCRIPTION
from hilum.model.identity import Level
from hilum.model.principal import NOBODY, OURSELVES, Principal, Proof
from hilum.model.query import Query
from hilum.state.state import State
from hilum.state.tokens import Tokens

if TYPE_CHECKING:
    from hilum.core.fhir.table import Keys
    from hilum.frontends.fhir.notified import Notifier
    from hilum.frontends.fhir.service import Subscribable

_STUDY: Final = (0x0020_000D,)
_DATE: Final = (0x0008_0020,)
_COMPARED: Final = frozenset(
    (each,)
    for each in (
        *(0x0008_0030, 0x0008_0050, 0x0008_0061, 0x0008_0090, 0x0008_1030, 0x0010_0010),
        *(0x0010_0020, 0x0010_0030, 0x0010_0040, 0x0020_0010, 0x0020_1206, 0x0020_1208),
    )
)
"""What makes a study another one than it was: its patient, what it says, and how much there is."""


def subscribable(settings: Settings, state: State | None) -> "Subscribable | None":
    """What the web door keeps subscriptions with; None: there are none."""
    if state is None or not settings.subscribed:
        return None
    from hilum.frontends.fhir.service import Subscribable  # noqa: PLC0415 - only where it is asked

    return Subscribable(state.subscriptions, state.queue)


@asynccontextmanager
async def open_notifier(
    settings: Settings, broker: Broker, state: State, name: str
) -> AsyncIterator[tuple["Notifier", work.Worker]]:
    """What sends notifications, and what has it do so.

    Args:
        settings: there are servers that they may be sent to.
        broker: what searches for the studies.
        state: keeps the subscriptions.
        name: of this process.

    Raises:
        BackendFault: a file cannot be read.
    """
    # Only where there may be subscribers:
    from hilum.frontends.fhir.notified import Notifier, With  # noqa: PLC0415
    from hilum.net.access import tls  # noqa: PLC0415
    from hilum.net.client import open_client  # noqa: PLC0415

    said = settings.fhir.subscriptions
    web = Web(ca_file=said.ca_file)
    opening = open_client(
        web,
        said.allow[0],
        await tls(web),
        who="the endpoint",
        timeout=said.timeout,
        also=said.allow[1:],
    )
    given = With(broker, state.subscriptions, state.queue, state.patients, _renews(state.tokens))
    async with opening as client:
        notifier = Notifier(given, settings, client)
        yield (
            notifier,
            work.Worker(
                state.queue,
                SUBSCRIPTION,
                notifier.do,
                by=f"{name}/{SUBSCRIPTION}",
                at_once=said.at_once,
                max_age=lambda _target: math.inf,  # the notifier says when it is too late
            ),
        )


def _renews(tokens: Tokens) -> Callable[[Principal], Awaitable[Principal]]:
    """Gives who somebody is now that once showed a token of ours: nobody, where it is revoked."""

    async def renewed(owner: Principal) -> Principal:
        if owner.proof is not Proof.ISSUED:
            return owner
        good = [each for each in await tokens.every() if each.name == owner.name]
        grants = tuple(each.grant for each in good if each.is_good(time.time()))
        return replace(owner, grants=grants) if grants else NOBODY

    return renewed


def looks(settings: Settings, broker: Broker, mount: str) -> Looks:
    """Asks a system elsewhere for its recent studies."""
    days, most = settings.mounts[mount].fhir.poll_days, settings.fhir.max_answers

    async def look() -> tuple[Mapping[str, bytes], bool]:
        since = date.today() - timedelta(days=days)  # noqa: DTZ011 - as the clocks there go, about
        match: Keys = {_DATE: f"{since:%Y%m%d}-"}
        query = Query(Level.STUDY, match, _COMPARED | {_STUDY}, limit=most + 1)
        operation = Find(mount=mount, who=OURSELVES, request_id=f"poll-{mount}", query=query)
        found: dict[str, bytes] = {}
        async with broker.now().find(operation) as answers:
            async for each in answers:
                attributes = each.decoded()
                uid = text(attributes, "0020000D")
                if uid and len(found) == most:
                    return found, True
                if uid:
                    found[uid] = orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS)
        return found, False

    return look
