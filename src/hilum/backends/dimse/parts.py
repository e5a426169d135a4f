"""What is asked for, in how many parts, and what should come of each? The PACS is asked before."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

from hilum.backends.dimse.pool import Pool
from hilum.backends.dimse.proof import Part
from hilum.backends.dimse.requested import Request, requests_of
from hilum.backends.dimse.survey import listed, patient_of
from hilum.codec.identifier import PATIENT_ID, UNIQUE_KEYS
from hilum.config.mounts import DimseMount
from hilum.model.errors import BackendError, BackendTimeout, NotOffered
from hilum.model.identity import Level, Ref
from hilum.upper_layer.association import Association

_PATIENT: Final = (PATIENT_ID,)
_STUDY: Final = (UNIQUE_KEYS[Level.STUDY],)


async def parts_of(pool: Pool, mount: DimseMount, refs: Sequence[Ref]) -> list[Part]:
    """The requests that ask for `refs`, each with what the PACS lists for it.

    Where it fails at that, or loses the association over it, nothing is listed.

    Raises:
        OutOfResources, BackendError: it cannot be reached.
    """
    survey = _Survey(
        requests_of(refs, patient_root=mount.information_model == "patient"), mount.query_deadline
    )
    try:
        async with pool.begun(survey.run, mount.query_timeout) as parts:
            return parts
    except NotOffered:
        pass
    except BackendError:
        if not survey.is_reached:
            raise
    return [Part(each, None) for each in survey.requests]


@dataclass(slots=True)
class _Survey:
    """All of it on one association.

    Attributes:
        deadline: seconds that it may take.
        is_reached: there was an association.
    """

    requests: list[Request]
    deadline: float
    is_reached: bool = field(default=False)

    @asynccontextmanager
    async def run(self, association: Association) -> AsyncIterator[list[Part]]:
        """The parts."""
        self.is_reached = True
        parts: list[Part] = []
        try:
            async with asyncio.timeout(self.deadline):
                for request in self.requests:
                    part = await _part(association, request)
                    parts.append(part)
        except TimeoutError:
            late = BackendTimeout("a survey took too long")
            association.abort(str(late), told=late)
            parts += [Part(each, None) for each in self.requests[len(parts) :]]
        yield parts


async def _part(association: Association, request: Request) -> Part:
    keys = dict(request.keys)
    if request.patient_root and not keys.get(_PATIENT) and keys.get(_STUDY):
        patient = await patient_of(association, keys[_STUDY].partition("\\")[0])
        if patient:
            request = replace(request, keys={_PATIENT: patient, **keys})
    if request.patient is not None and keys.get(_STUDY):
        studies = keys[_STUDY].split("\\")
        theirs = [
            study
            for study in studies
            if await patient_of(association, study) in (None, request.patient)
        ]
        if not theirs:
            return Part(request, {})
        request = replace(request, keys={**keys, _STUDY: "\\".join(theirs)})
    found = await listed(
        association, request.level, request.keys, patient_root=request.patient_root
    )
    return Part(request, None if found is None else {each.sop_instance_uid: each for each in found})
