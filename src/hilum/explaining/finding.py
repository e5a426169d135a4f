"""Which way a search goes: what is sent, and what is filtered here."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

from hilum.backends.archive.match import conditions
from hilum.backends.dicomweb.resources import loosened
from hilum.config.mounts import DicomwebMount, DimseMount, FhirMount
from hilum.core.backend import Abilities, Asks
from hilum.core.explained import Asking, Way
from hilum.core.plan import Plan, Step, planned
from hilum.core.sift import named
from hilum.explaining.far import Far
from hilum.model.errors import HilumError
from hilum.model.identity import Level
from hilum.model.query import Path, Query

_ALL = frozenset(Level)
_BELOW = _ALL - {Level.PATIENT}


def finding(query: Query, far: Far) -> list[Way]:
    """The ways of a search: several where only the far side can tell which one it takes.

    Raises:
        BadQuery: a key cannot be honoured.
    """
    if far.asks is None:
        conditions(query, far.name)
        return [Way("", notes=["answered from the index of the archive: nothing is sent"])]
    found: dict[str, Way] = {}
    for when, abilities in _choices(query, far):
        way = _way(when, query, abilities, far)
        found.setdefault(str(replace(way, when="")), way)
    ways = list(found.values())
    return ways if len(ways) > 1 else [replace(ways[0], when="")]


def limits(query: Query, far: Far) -> Iterator[str]:
    """What is said of the number of matches."""
    if query.offset:
        yield f"the first {query.offset} matches are left out here"
    if query.limit is None:
        return
    yield f"at most {query.limit} matches are given, and one more is looked for"
    if isinstance(far.mount, DimseMount):
        how = "C-CANCEL" if far.mount.cancel == "cancel" else "ending the association"
        yield f"then the PACS is stopped by {how}"


def _choices(query: Query, far: Far) -> list[tuple[str, Abilities]]:
    """What the far side may turn out to be able to, and in what words."""
    if isinstance(far.mount, DicomwebMount):
        return [
            ("where the server searches across levels", Abilities(_BELOW, relational=True)),
            ("where the server does not search across levels", Abilities(_BELOW, relational=False)),
        ]
    if isinstance(far.mount, FhirMount):
        return [("", Abilities(_BELOW, relational=True))]
    if query.level is Level.PATIENT:
        return [
            ("where the PACS takes the Patient Root model", Abilities(_ALL, relational=False)),
            ("where the PACS does not take it", Abilities(_BELOW, relational=False)),
        ]
    hierarchical = Abilities(_ALL, relational=False)
    if isinstance(far.mount, DimseMount) and far.mount.relational == "never":
        return [("", hierarchical)]
    return [
        ("where the PACS agrees to relational queries", Abilities(_ALL, relational=True)),
        ("where the PACS does not agree to relational queries", hierarchical),
    ]


def _way(when: str, query: Query, abilities: Abilities, far: Far) -> Way:
    assert far.asks is not None  # noqa: S101 - an archive has no ways
    try:
        plan: Plan = planned(query, abilities)
        steps = [_asking(each, far.asks) for each in plan.steps]
    except HilumError as error:
        return Way(when, refused=str(error))
    again = _looser(plan) if isinstance(far.mount, DicomwebMount) else ()
    return Way(when, steps, [*plan.notes, *again])


def _looser(plan: Plan) -> Iterator[str]:
    """What an origin server is asked once more that finds nothing."""
    for question in (each for step in plan.steps for each in step.questions):
        loose = loosened(question)
        if loose is not None:
            keys = ", ".join(
                f"{named(path)} = {value}"
                for path, value in loose.match.items()
                if value != question.match[path]
            )
            yield f"a server that finds nothing is asked again for {keys}: some undo no escapes"


def _asking(step: Step, asks: Asks) -> Asking:
    given: dict[Path, str] = {(tag,): f"{{{named((tag,))}}}" for tag in step.given}
    questions = [replace(each, match={**given, **each.match}) for each in step.questions]
    sends = [[_readable(line) for line in asks.told(each)] for each in questions]
    filtered = [f"{named(path)} = {value}" for path, value in step.checks]
    return Asking(step.level.value, step.why, sends, filtered)


def _readable(line: str) -> str:
    """Names in braces stand for what the step before finds; a URL has them escaped."""
    return line.replace(quote("{"), "{").replace(quote("}"), "}")
