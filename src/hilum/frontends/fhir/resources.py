"""Which resources of FHIR are there, and what can be done with each? The one table of them."""

import re
from typing import Final

from hilum.frontends.dicomweb.resources import Resource
from hilum.frontends.dicomweb.who import ANY
from hilum.frontends.later import Later
from hilum.model.principal import Right

ROOTS: Final = ("/aets/{aet}/fhir", "/fhir")
"""Of each mount, and of the default one."""

_QUERY: Final = frozenset((Right.QUERY,))
_SUBSCRIBE: Final = frozenset((Right.SUBSCRIBE,))
_BELOW = re.compile(r"(/aets/[^/]+)?/fhir(/.*)?")

STATEMENT: Final = Later("fhir.metadata", "statement")
"""Also what OPTIONS gives."""


def _searches(kind: str) -> Later:
    return Later("fhir.search", "of_type", kind)


def _subscriptions(name: str) -> Later:
    return Later("fhir.subscriptions", name)


OF_FHIR: Final = (
    Resource("/metadata", {"GET": STATEMENT}, {"GET": ANY}),
    *(
        resource
        for kind, reads in (
            ("ImagingStudy", "imaging_study"),
            ("Patient", "patient"),
            ("Endpoint", "endpoint"),
        )
        for resource in (
            Resource(f"/{kind}", {"GET": _searches(kind)}, {"GET": _QUERY}),
            Resource(f"/{kind}/_search", {"POST": _searches(kind)}, {"POST": _QUERY}),
            Resource(f"/{kind}/{{id}}", {"GET": Later("fhir.read", reads)}, {"GET": _QUERY}),
        )
    ),
    Resource(
        "/Subscription",
        {"GET": _searches("Subscription"), "POST": _subscriptions("create")},
        {"GET": _SUBSCRIBE, "POST": _SUBSCRIBE},
    ),
    Resource("/Subscription/_search", {"POST": _searches("Subscription")}, {"POST": _SUBSCRIBE}),
    Resource(
        "/Subscription/{id}",
        {
            "GET": _subscriptions("read"),
            "PUT": _subscriptions("update"),
            "DELETE": _subscriptions("delete"),
        },
        {"GET": _SUBSCRIBE, "PUT": _SUBSCRIBE, "DELETE": _SUBSCRIBE},
    ),
)


def is_below(path: str) -> bool:
    """Whether a path is FHIR's."""
    return _BELOW.fullmatch(path) is not None
