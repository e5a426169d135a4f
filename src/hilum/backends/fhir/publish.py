"""How are studies brought to a FHIR server, and kept up to date there? One errand for each.

An errand says which study; what is brought is what is here when it is done. First its patient and
the endpoints, which it refers to, then the study. A study that is gone here is cancelled there.
"""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import orjson

from hilum.backends.fhir.push import Identified, Server, Unsettled
from hilum.codec.fhir import endpoint, patient, subset
from hilum.codec.fhir.imaging_study import STUDY_FIELDS, STUDY_UID, imaging_study
from hilum.codec.fhir.values import OID, UID, URI, Attributes, Element, Systems, text
from hilum.config.mounts import Publish
from hilum.core.backend import Finds
from hilum.core.changes import Change
from hilum.core.fhir.patients import PatientIds, PatientKey, key_of
from hilum.core.fhir.table import Keys
from hilum.core.fhir.whole import parts
from hilum.core.queue import PUBLISH, Errand, Kept, Queue
from hilum.core.work import Never, Outcome
from hilum.model.identity import Level
from hilum.model.query import Query
from hilum.net.access import tls
from hilum.net.client import open_client

_REMEMBERED: Final = 10_000  # resources whose content at the server is remembered
_LOCKS: Final = 64
_PATIENT: Final = "Patient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where studies come from, and how they are written.

    Attributes:
        mount: its name.
        finds: what is there.
        patients: the ids of its patients.
        systems: what its identifiers and times mean.
        address: root of its DICOMweb services, as others see it; None: there are none.
        services: which there are, of `codec.fhir.endpoint`.
        max_instances: studies with more of them are brought without them.
    """

    mount: str
    finds: Finds
    patients: PatientIds
    systems: Systems
    address: str | None
    services: Sequence[str]
    max_instances: int


class Publisher:
    """Brings studies of one mount to one server.

    Args:
        source: where from.
        server: where to.
        updates: whether Patients that are there are made like ours.
    """

    def __init__(self, source: Source, server: Server, *, updates: bool = True) -> None:
        self._source = source
        self._server = server
        self._updates = updates
        self._brought: OrderedDict[Identified, tuple[bytes, str]] = OrderedDict()
        self._locks = [asyncio.Lock() for _ in range(_LOCKS)]

    async def do(self, kept: Kept) -> Outcome:
        """Bring the study of an errand there, as it is now; see `core.work.Worker`."""
        try:
            try:
                await self._do(kept.errand.key)
            except Unsettled as error:
                if not isinstance(error.outcome, Never) or not self._brought:
                    raise
                # What it refers to may have been removed there meanwhile: that is brought again.
                self._brought.clear()
                await self._do(kept.errand.key)
        except Unsettled as error:
            return error.outcome
        return None

    async def _do(self, uid: str) -> None:
        study = await self._one(Query(Level.STUDY, {(STUDY_UID,): uid}, STUDY_FIELDS), uid)
        if study is None:
            await self._withdraw(uid)
            return
        source = self._source
        whose = await self._patient(study)
        endpoints = [f"Endpoint/{each}" for each in await self._endpoints()]
        below = await parts(source.finds.find, study, source.max_instances)
        made = imaging_study(study, source.systems, endpoints, below)
        if below.instances is None:
            made = subset.marked(made)
        del made["id"]  # the server's own
        made["subject"] = {"reference": f"{_PATIENT}/{whose}", **made["subject"]}
        await self._server.put(made, _of_study(uid))

    async def _one(self, query: Query, uid: str) -> Attributes | None:
        async with self._source.finds.find(query) as found:
            async for each in found:
                attributes = each.decoded()
                if text(attributes, "0020000D") == uid:
                    return attributes
        return None

    async def _patient(self, study: Attributes) -> str:
        """The id at the server of the patient whose study it is."""
        source, key = self._source, key_of(study)
        assert key is not None  # noqa: S101 - every study has a UID
        ids = await source.patients.ids(source.mount, [key])
        made = patient.patient(await self._person(key, study), source.systems)
        by = _of_patient(made, ids[key])
        if by.element not in [_plain(each) for each in made.get("identifier", ())]:
            made["identifier"] = [*made.get("identifier", ()), by.element]
        bring = self._server.update if self._updates else self._server.create
        return await self._once(made, by, bring)

    async def _person(self, key: PatientKey, study: Attributes) -> Attributes:
        """The attributes of a patient: the same ones, whichever study they are wanted for."""
        if not key.patient_id:
            return study
        match: Keys = {(patient.PATIENT_ID,): key.patient_id.replace("\\", "?")}
        query = Query(Level.PATIENT, match, patient.FIELDS - match.keys())
        async with self._source.finds.find(query) as found:
            async for each in found:
                attributes = each.decoded()
                if key_of(attributes) == key:
                    return attributes
        return study

    async def _endpoints(self) -> list[str]:
        """The ids at the server of the services that studies can be had from."""
        source = self._source
        if source.address is None:
            return []
        found = []
        for made in endpoint.endpoints(source.services, source.address, source.mount):
            by = Identified(URI, f"{source.address}#{made.pop('id')}")
            made["identifier"] = [by.element]
            found.append(await self._once(made, by, self._server.update))
        return found

    async def _once(
        self, made: Element, by: Identified, bring: Callable[[Element, Identified], Awaitable[str]]
    ) -> str:
        """Bring a resource, unless the very same was brought; never two of one at a time."""
        digest = blake2b(orjson.dumps(made), digest_size=16).digest()
        async with self._locks[hash(by) % _LOCKS]:
            known = self._brought.get(by)
            if known is not None and known[0] == digest:
                self._brought.move_to_end(by)
                return known[1]
            name = await bring(made, by)
            self._brought[by] = digest, name
            while len(self._brought) > _REMEMBERED:
                self._brought.popitem(last=False)
            return name

    async def _withdraw(self, uid: str) -> None:
        """Say there that a study is no longer to be had; where it never was, nothing."""
        for each in await self._server.found("ImagingStudy", _of_study(uid)):
            if each.get("status") == "cancelled":
                continue
            left = {name: value for name, value in each.items() if name != "endpoint"}
            series = [
                {name: value for name, value in one.items() if name != "endpoint"}
                for one in each.get("series", ())
                if isinstance(one, dict)
            ]
            below = {"series": series} if series else {}
            await self._server.change({**left, **below, "status": "cancelled"})


def _of_study(uid: str) -> Identified:
    return Identified(UID, OID + uid)


def _of_patient(made: Element, name: str) -> Identified:
    """By what a Patient is known at the server.

    Its Patient ID where somebody said of what system that is; else our own id of it, as a UUID.
    """
    first: Element = next(iter(made.get("identifier", ())), {})
    if "system" in first and first.get("use") == "usual":
        return Identified(first["system"], first["value"])
    return Identified(URI, uuid.UUID(name).urn)


def _plain(identifier: Element) -> Element:
    return {name: identifier.get(name) for name in ("system", "value")}


class Publishing:
    """Keeps an errand for each study of a mount that changed: `core.changes.TakesChanges`.

    Args:
        queue: where it is kept.
        wake: called when there is something to be done.
    """

    def __init__(self, queue: Queue, wake: Callable[[], None]) -> None:
        self._queue = queue
        self._wake = wake

    async def take(self, mount: str, changes: Sequence[Change], /) -> None:
        """See `core.changes.TakesChanges`."""
        errands = [Errand(kind=PUBLISH, target=mount, key=each.study) for each in changes]
        await self._queue.put(errands)
        self._wake()


@asynccontextmanager
async def open_publisher(source: Source, publish: Publish) -> AsyncIterator[Publisher]:
    """What brings studies of a mount to the server that the configuration says.

    Raises:
        BackendFault: a file of it cannot be read.
    """
    context = await tls(publish)
    who = f"the FHIR server of mounts.{source.mount}.publish"
    opening = open_client(publish, publish.url, context, who=who, timeout=publish.timeout)
    async with opening as client:
        yield Publisher(source, Server(client), updates=publish.patients == "update")
