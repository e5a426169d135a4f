"""Follows a plan of more than one question: level by level, filled in, grouped."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from hilum.codec.dicom_json import Attributes
from hilum.core.backend import Asks
from hilum.core.levels import (
    ISSUER,
    MODALITIES,
    MODALITY,
    PATIENT,
    PATIENT_COUNTS,
    PATIENT_ID,
    STUDY_COUNTS,
    UNIQUE,
)
from hilum.core.plan import Plan, Step, merged
from hilum.core.sift import Remarks, Sift, fill, uid_element, value_of
from hilum.model.errors import TooLarge
from hilum.model.identity import Level
from hilum.model.query import Path, Query

_THINGS = {Level.STUDY: "studies", Level.SERIES: "series", Level.IMAGE: "instances"}


class Walk:
    """The answers to one query.

    Args:
        asks: the far side.
        plan: what is asked of it.
        walk_limit: the most studies, and the most series, that are looked into.
        remarks: takes what is to be said of the answers.
        bounded: the query has a limit, so that perhaps not all have to be looked into.
    """

    def __init__(
        self, asks: Asks, plan: Plan, walk_limit: int, remarks: Remarks, *, bounded: bool
    ) -> None:
        self._asks = asks
        self._plan = plan
        self._walk_limit = walk_limit
        self._bounded = bounded
        self._looked = dict.fromkeys(Level, 0)
        self._modalities: dict[str, list[str]] = {}
        self._sifts = [Sift(step.checks, merged(step.level), remarks) for step in plan.steps]
        self._remarks = remarks

    async def answers(self) -> AsyncGenerator[Attributes, None]:
        """All of them, in order.

        Raises:
            TooLarge: the limit was reached before the end.
            HilumError: the far side failed.
        """
        known = {f"{tag:08X}": uid_element(uid) for tag, uid in self._plan.known.items()}
        found = self._grouped() if self._plan.groups else self._below(0, {}, known)
        async with aclosing(found):
            async for each in found:
                yield each

    async def _below(
        self, at: int, given: dict[int, str], known: Attributes
    ) -> AsyncGenerator[Attributes, None]:
        """The answers below one answer of the step before.

        Args:
            at: number of the step.
            given: unique keys that steps before found.
            known: what the answers have from above.
        """
        step = self._plan.steps[at]
        if at == len(self._plan.steps) - 1:
            last = self._asked(at, given, known)
            async with aclosing(last):
                async for each in last:
                    yield each
            return
        parents, over = await self._gathered(at, given, known)
        unique = UNIQUE[step.level]
        for parent in parents:
            uid = value_of(parent, f"{unique:08X}")
            below = self._below(at + 1, {**given, unique: uid}, self._carried(step, parent, known))
            async with aclosing(below):
                async for each in below:
                    yield each
        if over:
            raise self._too_many(step.level)

    def _carried(self, step: Step, parent: Attributes, known: Attributes) -> Attributes:
        """What answers below `parent` have from it and those above."""
        own = {
            tag: element
            for tag, element in parent.items()
            if self._plan.everything or int(tag, 16) in step.carried
        }
        return {**known, **own}

    async def _gathered(
        self, at: int, given: dict[int, str], known: Attributes
    ) -> tuple[list[Attributes], bool]:
        """The answers to look into, as many as may be, and whether there are more.

        The far side is done with them before it is asked what is below: no question waits for
        a place in a pool while another one holds it.
        """
        level = self._plan.steps[at].level
        parents: list[Attributes] = []
        asked = self._asked(at, given, known)
        async with aclosing(asked):
            async for each in asked:
                if self._looked[level] == self._walk_limit:
                    if not self._bounded:
                        raise self._too_many(level)
                    return parents, True
                self._looked[level] += 1
                parents.append(each)
        return parents, False

    def _too_many(self, level: Level) -> TooLarge:
        return TooLarge(
            f"more than {self._walk_limit} {_THINGS[level]} would have to be looked into: "
            "narrow the query, or raise walk_limit of this mount"
        )

    async def _asked(
        self, at: int, given: dict[int, str], known: Attributes
    ) -> AsyncGenerator[Attributes, None]:
        """The answers to the questions of one step."""
        step, sift = self._plan.steps[at], self._sifts[at]
        for question in step.questions:
            later: list[Attributes] = []
            asked = self._answers(_narrowed(question, step, given), given, known, sift, later)
            async with aclosing(asked):
                async for attributes in asked:
                    yield attributes
            judged = self._looked_into(later[: self._walk_limit], sift)
            async with aclosing(judged) as looked_into:
                async for attributes in looked_into:
                    yield attributes
            if len(later) > self._walk_limit:
                raise self._too_many(step.level)

    async def _answers(
        self,
        question: Query,
        given: dict[int, str],
        known: Attributes,
        sift: Sift,
        later: list[Attributes],
    ) -> AsyncGenerator[Attributes, None]:
        """The answers to one question.

        Args:
            question: as it is asked.
            given: what the answers must be below.
            known: what they have from above.
            sift: holds them against their keys.
            later: takes those whose modalities must be asked for first, no more than one of
                them beyond `walk_limit`.
        """
        async with self._asks.ask(question) as replies:
            self._remarks.asked(question, is_fuzzy=replies.is_fuzzy)
            async for attributes in replies:
                fill(attributes, known)
                if any(value_of(attributes, f"{tag:08X}") != given[tag] for tag in given):
                    continue  # of another study or series than was asked for
                if self._plan.fills_modalities and sift.lacks_modalities(attributes):
                    if sift.may_pass(attributes, ignored=replies.keys_ignored):
                        later.append(attributes)
                        if len(later) > self._walk_limit:
                            return
                elif sift.take(attributes, ignored=replies.keys_ignored):
                    yield attributes
            self._remarks.ended(replies)

    async def _looked_into(
        self, studies: Sequence[Attributes], sift: Sift
    ) -> AsyncGenerator[Attributes, None]:
        """Those of the answers whose studies have the modalities that are asked for."""
        for study in studies:
            uid = value_of(study, _STUDY)
            if uid and uid not in self._modalities:
                if len(self._modalities) == self._walk_limit:
                    raise self._too_many(Level.STUDY)
                self._modalities[uid] = await self._modalities_of(uid)
            if modalities := self._modalities.get(uid):
                study[_MODALITIES] = {"vr": "CS", "Value": modalities}
            if sift.take(study, ignored=True):
                yield study

    async def _modalities_of(self, uid: str) -> list[str]:
        """Ask a study's series for what their study does not tell."""
        question = Query(
            Level.SERIES,
            {(UNIQUE[Level.STUDY],): uid},
            frozenset({(MODALITY,), (UNIQUE[Level.SERIES],)}),
            is_bare=True,
        )
        found: dict[str, None] = {}
        async with self._asks.ask(question) as replies:
            async for series in replies:
                if value_of(series, _STUDY) in {uid, ""}:
                    found[value_of(series, f"{MODALITY:08X}")] = None
        found.pop("", None)
        return [*found]

    async def _grouped(self) -> AsyncGenerator[Attributes, None]:
        """Patients, in the order in which their first studies came."""
        patients: dict[tuple[str, ...], list[Attributes]] = {}
        studies = self._asked(0, {}, {})
        async with aclosing(studies):
            async for study in studies:
                if self._looked[Level.STUDY] == self._walk_limit:
                    raise self._too_many(Level.STUDY)
                self._looked[Level.STUDY] += 1
                patients.setdefault(_patient_of(study), []).append(study)
        sift = Sift(self._plan.group_checks, merged(Level.PATIENT), self._remarks)
        for each in patients.values():
            patient = _patient(each, self._plan.steps[0].carried, counts=self._plan.counts)
            if sift.take(patient, ignored=True):
                yield patient


_MODALITIES = f"{MODALITIES:08X}"
_STUDY = f"{UNIQUE[Level.STUDY]:08X}"


def _narrowed(question: Query, step: Step, given: dict[int, str]) -> Query:
    more: dict[Path, str] = {(tag,): given[tag] for tag in step.given}
    return replace(question, match={**more, **question.match}) if more else question


def _patient_of(study: Attributes) -> tuple[str, ...]:
    """What makes two studies one patient's; without an ID nothing says whose a study is."""
    name, issuer = (value_of(study, f"{tag:08X}") for tag in (PATIENT_ID, ISSUER))
    own = "" if name else value_of(study, f"{UNIQUE[Level.STUDY]:08X}")
    return name, issuer, own


def _patient(studies: Sequence[Attributes], asked: frozenset[int], *, counts: bool) -> Attributes:
    """What studies tell of their patient: the first that tells an attribute, and the counts.

    Of attributes that are not a patient's those that were asked for and are the same in all.
    """
    patient: Attributes = {f"{PATIENT_ID:08X}": {"vr": "LO"}}
    for study in studies:
        fill(patient, {tag: element for tag, element in study.items() if tag in PATIENT})
    for tag in {f"{each:08X}" for each in asked} - PATIENT:
        first = studies[0].get(tag)
        if first is not None and all(each.get(tag) == first for each in studies):
            patient[tag] = first
    if counts:
        related, *of_studies = (f"{tag:08X}" for tag in PATIENT_COUNTS)
        patient[related] = _count(len(studies))
        for total, part in zip(of_studies, STUDY_COUNTS, strict=True):
            numbers = [value_of(each, f"{part:08X}") for each in studies]
            if all(number.isdecimal() for number in numbers):
                patient[total] = _count(sum(map(int, numbers)))
    return patient


def _count(number: int) -> dict[str, Any]:
    return {"vr": "IS", "Value": [number]}
