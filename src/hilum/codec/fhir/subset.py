"""Which elements are given of a resource of which not all are wanted? `_elements`, `_summary`."""

from collections.abc import Iterable
from typing import Final

from hilum.codec.fhir.values import Element

_ALWAYS: Final = ("resourceType", "id", "meta")
_MANDATORY: Final = {
    "Patient": (),
    "ImagingStudy": ("status", "subject"),
    "Endpoint": ("status", "connectionType", "payloadType", "address"),
}
_NOT_IN_SUMMARY: Final = {
    "Patient": frozenset(
        ("contact", "communication", "photo", "generalPractitioner", "maritalStatus")
    ),
    "ImagingStudy": frozenset(),
    "Endpoint": frozenset(("contact", "header")),
}
_SUBSETTED: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}


def marked(resource: Element) -> Element:
    """The resource, which says that it is not whole."""
    meta: Element = resource.get("meta", {})
    tags = [each for each in meta.get("tag", ()) if each != _SUBSETTED]
    made: Element = {**resource, "meta": {**meta, "tag": [*tags, _SUBSETTED]}}
    ahead: Element = {name: made[name] for name in _ALWAYS if name in made}
    return {**ahead, **made}


def elements(resource: Element, wanted: Iterable[str]) -> Element:
    """Only those elements, and those that there must be.

    Args:
        resource: whole.
        wanted: names; of one within another (`series.uid`) the outermost counts.
    """
    names = {each.split(".")[0] for each in wanted}
    keep = {*_ALWAYS, *_MANDATORY[resource["resourceType"]], *names}
    return marked({name: each for name, each in resource.items() if name in keep})


def summary(resource: Element) -> Element:
    """What R4 counts among the summary of that type (the elements with Σ)."""
    out = _NOT_IN_SUMMARY[resource["resourceType"]]
    made = {name: each for name, each in resource.items() if name not in out}
    if "series" in made:
        made["series"] = [
            {name: value for name, value in each.items() if name != "instance"}
            for each in made["series"]
        ]
    return marked(made)


def text(resource: Element) -> Element:
    """The narrative, which there is none of, and what there must be."""
    return elements(resource, ("text",))
