"""Which tables of the conformance statement hold for every configuration? Made from the code."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from hilum.codec import sop_class
from hilum.codec.associate import APPLICATION_CONTEXT, MAX_CONTEXTS
from hilum.codec.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from hilum.codec.verdict import UNEXPECTED, VERDICTS, Verdict
from hilum.config.schema import DimseSettings
from hilum.frontends.dicomweb.resources import OF_A_MOUNT, Resource
from hilum.frontends.fhir.kinds import ENDPOINTS, PATIENTS, STUDIES, SUBSCRIPTIONS
from hilum.frontends.fhir.resources import OF_FHIR
from hilum.model.principal import Right

_METHODS: Final = ("GET", "POST", "PUT", "DELETE")
_WORDS: Final = {
    Right.ECHO: "health",
    Right.QUERY: "search",
    Right.RETRIEVE: "retrieve",
    Right.STORE: "store",
    Right.SEND: "send",
    Right.DELETE: "delete",
    Right.SUBSCRIBE: "subscribe",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def implementation() -> str:
    """How an implementation identifies itself (PS3.7 §D.3.3.2), and what it proposes at most."""
    dimse = DimseSettings()
    return table(
        ("item", "value"),
        (
            ("application context", APPLICATION_CONTEXT),
            ("Implementation Class UID", IMPLEMENTATION_CLASS_UID),
            ("Implementation Version Name", f"`{IMPLEMENTATION_VERSION_NAME}`"),
            ("maximum PDU length", f"{dimse.max_pdu} (`dimse.max_pdu`); 0 is no limit, both ways"),
            ("presentation contexts", f"up to {MAX_CONTEXTS}"),
            ("associations at a time", f"{dimse.max_associations} (`dimse.max_associations`)"),
            (
                "of one network address",
                f"{dimse.max_associations_per_peer} (`dimse.max_associations_per_peer`)",
            ),
        ),
    )


def contexts() -> str:
    """The presentation contexts that are accepted."""
    uncompressed = "Implicit Little Endian, Explicit Little Endian, Explicit Big Endian"
    root = {"Patient": sop_class.PATIENT_ROOT, "Study": _study_root()}
    rows = [(f"Verification {sop_class.VERIFICATION}", uncompressed)]
    for name, uids in root.items():
        kinds = {"FIND": sop_class.FIND, "MOVE": sop_class.MOVE, "GET": sop_class.GET}
        for kind, of_kind in kinds.items():
            rows += [(f"{name} Root {kind} {uid}", "the same") for uid in sorted(uids & of_kind)]
    every = "every storage class of PS3.4 Annex B, and every class that the standard does not know"
    return table(
        ("abstract syntax", "transfer syntaxes"),
        [*rows, (every, "every one that is proposed")],
    )


def _study_root() -> frozenset[str]:
    return (sop_class.FIND | sop_class.MOVE | sop_class.GET) - sop_class.PATIENT_ROOT


def web() -> str:
    """Resources of a mount, and what each method of them needs the right for."""
    return _of_resources(OF_A_MOUNT)


def fhir() -> str:
    """The same of FHIR."""
    return _of_resources(OF_FHIR)


def _of_resources(resources: Iterable[Resource]) -> str:
    there = [*resources]
    methods = [each for each in _METHODS if any(each in one.methods for one in there)]
    rows = [
        (f"`{_path(one.path)}`", *(_word(one, each) for each in methods))
        for one in sorted(there, key=lambda one: one.path)
    ]
    return table(("resource", *methods), rows)


def _path(path: str) -> str:
    return re.sub(r"\{(\w+):path\}", r"{\1}", path) or "/"


def _word(resource: Resource, method: str) -> str:
    if method not in resource.methods:
        return ""
    rights = resource.needs[method]
    return next((_WORDS[each] for each in _WORDS if rights == {each}), "any")


def parameters() -> str:
    """What a FHIR search can ask for."""
    rows = [
        (each.type, " ".join(f"`{name}`" for name in sorted(each.offers.parameters)))
        for each in (STUDIES, PATIENTS, ENDPOINTS, SUBSCRIPTIONS)
    ]
    return table(("type", "parameters"), rows)


def statuses() -> str:
    """How each failure is spoken."""
    rows = [
        (
            f"{kind.__name__}: {_said(kind)}",
            *_spoken(verdict),
        )
        for kind, verdict in VERDICTS.items()
    ]
    rows.append(("whatever nobody foresaw", *_spoken(UNEXPECTED)))
    head = ("failure", "HTTP", "C-FIND", "C-GET, C-MOVE", "C-STORE", "Failure Reason (STOW-RS)")
    return table(head, rows)


def _said(kind: type[Exception]) -> str:
    first = " ".join((kind.__doc__ or "").partition("\n\n")[0].split())
    return first[:1].lower() + first[1:].rstrip(".")


def _spoken(verdict: Verdict) -> tuple[str, ...]:
    http = str(verdict.http.value)
    found = (verdict.find, verdict.retrieve, verdict.store, verdict.reason)
    return (http, *(f"{each:04X}" for each in found))


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "implementation": implementation,
    "presentation contexts": contexts,
    "resources of DICOMweb": web,
    "resources of FHIR": fhir,
    "search parameters of FHIR": parameters,
    "statuses": statuses,
}
"""By the name that stands in `doc/conformance.md`."""
