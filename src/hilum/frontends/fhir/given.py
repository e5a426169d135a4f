"""What is given of the answers: resources with their references, what is below and beside them."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field
from typing import Final

from hilum.codec.fhir import subset
from hilum.codec.fhir.imaging_study import STUDY_UID, imaging_study
from hilum.codec.fhir.parameters import Search
from hilum.codec.fhir.patient import PATIENT_ID
from hilum.codec.fhir.times import instant
from hilum.codec.fhir.values import Element
from hilum.core.backend import Found
from hilum.core.fhir.patients import PatientKey
from hilum.core.fhir.table import Check, Keys, Row
from hilum.core.fhir.whole import parts
from hilum.core.operations import Find
from hilum.frontends.fhir.asked import About
from hilum.frontends.fhir.finding import Finding, set_times
from hilum.frontends.fhir.kinds import PATIENTS, STUDIES, Searched, study_endpoints
from hilum.model.query import Query

_STUDY: Final = (STUDY_UID,)


def shown(resource: Element, search: Search) -> Element:
    """As much of a resource as is asked for."""
    if search.elements:
        return subset.elements(resource, search.elements)
    if search.summary == "true":
        return subset.summary(resource)
    return subset.text(resource) if search.summary == "text" else resource


@dataclass(slots=True)
class Beside:
    """What is given beside the answers, and what is to be said of it."""

    resources: list[Element] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Resources:
    """Makes resources of what was found."""

    def __init__(self, about: About) -> None:
        self._about = about

    async def of(self, searched: Searched, rows: Sequence[Row], *, below: bool) -> list[Element]:
        """The resources.

        Args:
            searched: their type.
            rows: what was found.
            below: studies with their series and instances; else they say that they are not whole.
        """
        if searched is STUDIES:
            return await self._studies(rows, below=below)
        if searched is PATIENTS:
            ids = await self._ids(rows)
            return [_named(row, ids) for row in rows if row.key is not None]
        return [row.resource for row in rows]

    async def study(self, row: Row, *, every_instance: bool) -> Element:
        """A study with what is below it; without its instances, where they are too many."""
        made = await self._whole(row, every_instance=every_instance)
        await set_times(self._about, [row])
        return self._referring(row, made, await self._ids([row]))

    async def _studies(self, rows: Sequence[Row], *, below: bool) -> list[Element]:
        ids = await self._ids(rows)
        await set_times(self._about, [row for row in rows if row.updated is None])
        made = []
        for row in rows:
            if below:
                resource = await self._whole(row, every_instance=True)
            else:
                has_series = row.resource.get("numberOfSeries") != 0
                resource = subset.marked(row.resource) if has_series else row.resource
            made.append(self._referring(row, resource, ids))
        return made

    @staticmethod
    def _referring(row: Row, resource: Element, ids: dict[PatientKey, str]) -> Element:
        if row.updated is not None:
            meta = {"lastUpdated": instant(row.updated), **resource.get("meta", {})}
            ahead = {"resourceType": resource["resourceType"], "id": resource["id"], "meta": meta}
            resource = {**ahead, **{k: v for k, v in resource.items() if k != "meta"}}
        if row.key is None:
            return resource
        reference = {"reference": f"Patient/{ids[row.key]}"}
        return {**resource, "subject": {**reference, **resource["subject"]}}

    async def _ids(self, rows: Iterable[Row]) -> dict[PatientKey, str]:
        keys = [row.key for row in rows if row.key is not None]
        return dict(await self._about.fhir.patients.ids(self._about.mount.name, keys))

    async def _whole(self, row: Row, *, every_instance: bool) -> Element:
        most = None if every_instance else self._about.fhir.settings.max_instances
        below = await parts(self._found, row.attributes, most)
        systems, references = self._about.systems, study_endpoints(self._about)
        made = imaging_study(row.attributes, systems, references, below)
        return made if below.instances is not None else subset.marked(made)

    def _found(self, query: Query) -> AbstractAsyncContextManager[Found]:
        asked = self._about.asked
        return asked.broker.find(asked.operation(Find, query=query))

    async def beside(
        self,
        rows: Sequence[Row],
        made: Sequence[Element],
        include: Sequence[str],
        revinclude: Sequence[str],
    ) -> Beside:
        """What is asked for beside the answers, each once.

        Args:
            rows: the answers.
            made: the resources that they became.
            include: `_include`, as `codec.fhir.parameters.Search` has it.
            revinclude: `_revinclude`, likewise.
        """
        given = Beside()
        if {"ImagingStudy:patient", "ImagingStudy:subject"} & {*include}:
            ids = await self._ids(rows)
            first = {row.key: row for row in reversed(rows) if row.key is not None}
            given.resources += [
                {"resourceType": "Patient", "id": ids[key], **row.patient}
                for key, row in reversed(first.items())
            ]
        if "ImagingStudy:endpoint" in include:
            wanted = {e["reference"] for each in made for e in each.get("endpoint", ())}
            given.resources += [
                each for each in self._about.endpoints() if f"Endpoint/{each['id']}" in wanted
            ]
        if revinclude:
            await self._their_studies(rows, given)
        return given

    async def _their_studies(self, rows: Sequence[Row], given: Beside) -> None:
        """The studies of patients."""
        most = self._about.fhir.settings.max_answers
        for row in rows:
            if row.key is None:
                continue
            keys: Keys = {_STUDY: row.key.study}
            if row.key.patient_id:
                keys = {(PATIENT_ID,): row.key.patient_id.replace("\\", "?")}
            run = Finding(self._about, STUDIES, [keys], [_of(row.key)], strict=False)
            found: list[Row] = []
            async with aclosing(run.rows()) as studies:
                async for study in studies:
                    if study is None:
                        continue
                    if len(given.resources) + len(found) >= most:
                        given.warnings.append(f"Only {most} studies are given beside the patients.")
                        break
                    found.append(study)
            given.resources += await self._studies(found, below=False)
            given.warnings += run.found.warnings
            if len(given.resources) >= most:
                return


def _of(key: PatientKey) -> Check:
    return lambda row: row.key == key


def _named(row: Row, ids: dict[PatientKey, str]) -> Element:
    assert row.key is not None  # noqa: S101 - else it was left out
    return {"resourceType": "Patient", "id": ids[row.key], **row.resource}
