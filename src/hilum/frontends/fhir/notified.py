"""How does a subscriber hear of a study? By a notification, as his Subscription says (rest-hook).

An errand says which study; whether it is what he looks for, and what is sent, is found out when
the errand is done: by a search that he could make himself, with the rights that he has then.
"""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

import orjson

from hilum.codec.fhir.values import Element
from hilum.config.schema import Settings
from hilum.core.broker import Broker
from hilum.core.fhir.patients import PatientIds
from hilum.core.fhir.subscriptions import (
    ACTIVE,
    ERROR,
    OFF,
    REQUESTED,
    KeepsSubscriptions,
    Subscription,
)
from hilum.core.operations import Come
from hilum.core.queue import SUBSCRIPTION, Kept, Queue
from hilum.core.work import Again, Never, Outcome
from hilum.frontends.dicomweb.asked import Asked
from hilum.frontends.fhir.asked import About
from hilum.frontends.fhir.errors import FHIR_JSON
from hilum.frontends.fhir.finding import finding
from hilum.frontends.fhir.given import Resources
from hilum.frontends.fhir.kinds import STUDIES
from hilum.frontends.fhir.service import fhir
from hilum.frontends.fhir.subscriptions import criteria
from hilum.model.errors import (
    BackendTimeout,
    BackendUnavailable,
    BadRequest,
    HilumError,
    Refused,
)
from hilum.model.identity import Ref
from hilum.model.principal import Principal, Right
from hilum.net.client import Client
from hilum.net.refused import retry_after

_GONE: Final = 410
_DOWN: Final = frozenset({401, 403, 404, 407, 408, 429, 500, 502, 503, 504})
"""What is not about the study that was sent: it would be said of every other one too."""
_SUCCESS: Final = range(200, 300)
_PIECE: Final = 1000
_NEEDED: Final = (Right.SUBSCRIBE, Right.QUERY)
_NOT_YET: Final = 1.0  # seconds


Renews = Callable[[Principal], Awaitable[Principal]]


@dataclass(frozen=True, slots=True)
class With:
    """What notifications are made with.

    Attributes:
        renewed: gives the principal as he is now, or nobody: his token may be revoked.
    """

    broker: Broker
    kept: KeepsSubscriptions
    queue: Queue
    patients: PatientIds
    renewed: Renews


class Notifier:
    """Sends notifications; `core.work.Worker` has it do its errands.

    Args:
        given: what it works with.
        settings: the configuration; see `become`.
        client: by which all endpoints are asked, and no others.
    """

    def __init__(self, given: With, settings: Settings, client: Client) -> None:
        self._with = given
        self._settings = settings
        self._client = client
        self._fhir = fhir(settings, given.patients)

    def become(self, settings: Settings) -> None:
        """Go by another configuration from now on."""
        self._settings = settings
        self._fhir = fhir(settings, self._with.patients)

    async def do(self, kept: Kept) -> Outcome:
        """Do one errand, and have the subscription say so where that is given up."""
        made = await self._with.kept.one(kept.errand.target)
        status = OFF if made is None else made.now(time.time())
        if made is None or status == OFF:
            return None
        if status == ERROR:
            return Never(f"the subscription is in error: {made.error}")
        try:
            outcome = await self._do(made, kept.errand.key)
        except Refused:
            outcome = Never("its owner may no longer search there")
        except BadRequest:
            outcome = Never("its criteria can no longer be searched by")
        except (BackendUnavailable, BackendTimeout) as error:
            outcome = Again(str(error), is_down=True)
        except HilumError as error:
            outcome = Again(str(error))
        max_age = self._settings.fhir.subscriptions.max_age
        if isinstance(outcome, Again) and kept.created < time.time() - max_age:
            outcome = Never(outcome.reason)
        if isinstance(outcome, Never) and not await self._tell(made, ERROR, outcome.reason):
            return Again(outcome.reason)  # it has become another one: that is asked then
        return outcome

    async def _do(self, made: Subscription, study: str) -> Outcome:
        about = await self._about(made)
        for right in _NEEDED:
            about.asked.broker.admit(about.asked.operation(Come, any_of=frozenset((right,))))
        if not study:
            return await self._begun(made)
        if made.status == REQUESTED:
            return Again("its endpoint has not yet said that it takes notifications", _NOT_YET)
        resource = await _found(about, made, study)
        if resource is None:
            return None
        return await self._sent(made, resource if made.has_payload else None)

    async def _begun(self, made: Subscription) -> Outcome:
        """Ask the endpoint of a new one whether it takes notifications."""
        if made.status != REQUESTED:
            return None
        outcome = await self._sent(made, None)
        if outcome is None:
            await self._tell(made, ACTIVE, "")
            queue = self._with.queue
            while dead := await queue.every(
                kind=SUBSCRIPTION, target=made.id, dead=True, most=_PIECE
            ):
                await queue.retry([each.id for each in dead])
        return outcome

    async def _sent(self, made: Subscription, study: Element | None) -> Outcome:
        """Send a notification: the study by PUT, or nothing by POST."""
        headers = dict(each.split(": ", 1) for each in made.headers)
        method, url, body = "POST", made.endpoint, b""
        if study is not None:
            method, url = "PUT", f"{made.endpoint}/ImagingStudy/{study['id']}"
            headers["Content-Type"], body = FHIR_JSON, orjson.dumps(study)
        if not self._client.knows(url):
            return Never("notifications may no longer be sent to that server")
        async with self._client.post(url, headers, body, retries=0, method=method) as answer:
            status = answer.status
            after = retry_after(answer.headers.get("retry-after", "")) or 0.0
        if status in _SUCCESS:
            return None
        reason = f"the endpoint answered {status}"
        return Never(reason) if status == _GONE else Again(reason, after, status in _DOWN)

    async def _tell(self, made: Subscription, status: str, error: str) -> bool:
        """Have it say what became of it; False: somebody has changed it meanwhile."""
        now = replace(made, status=status, error=error, changed=time.time())
        return await self._with.kept.become(now)

    async def _about(self, made: Subscription) -> About:
        """The search of its owner, as he would make it."""
        broker = self._with.broker.now()
        asked = Asked(
            broker=broker,
            settings=self._settings.http,
            mount=made.mount,
            root=made.root.removesuffix("/fhir"),
            ref=Ref(),
            who=await self._with.renewed(made.owner),
            request_id=f"subscription-{made.id[:8]}",
        )
        mount = broker.mounts[made.mount]
        return About(asked, mount, self._fhir, made.root, FHIR_JSON, is_pretty=False)


async def _found(about: About, made: Subscription, study: str) -> Element | None:
    """The study, where it is what is looked for; its references lead to us."""
    search = criteria(about, made.criteria, study)
    run = await finding(about, STUDIES, search, strict=True)
    async with aclosing(run.rows()) as rows:  # all of them: a walk over levels is not left early
        found = [row async for row in rows if row is not None and row.resource["id"] == study]
    if not found:
        return None
    whole = await Resources(about).study(found[0], every_instance=False)
    for each in _references(whole):
        each["reference"] = f"{about.root}/{each['reference']}"
    return whole


def _references(resource: Element) -> Iterator[Element]:
    """The references to other resources, which are relative."""
    given = [resource.get("subject", {}), *resource.get("endpoint", ())]
    for each in resource.get("series", ()):
        given += each.get("endpoint", ())
    for each in given:
        reference = each.get("reference", "")
        if reference and ":" not in reference and not reference.startswith("#"):
            yield each
