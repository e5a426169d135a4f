"""Which resources of FHIR are there, and what can be done with each? The one table of them."""

import re
from typing import Final

from hilum.frontends.dicomweb.resources import Resource
from hilum.frontends.dicomweb.who import ANY
from hilum.frontends.fhir import metadata, read, subscriptions
from hilum.frontends.fhir.kinds import ENDPOINTS, PATIENTS, STUDIES, SUBSCRIPTIONS
from hilum.frontends.fhir.search import search
from hilum.model.principal import Right

ROOTS: Final = ("/aets/{aet}/fhir", "/fhir")
"""Of each mount, and of the default one."""

_QUERY: Final = frozenset((Right.QUERY,))
_SUBSCRIBE: Final = frozenset((Right.SUBSCRIBE,))
_BELOW = re.compile(r"(/aets/[^/]+)?/fhir(/.*)?")

OF_FHIR: Final = (
    Resource("/metadata", {"GET": metadata.statement}, {"GET": ANY}),
    *(
        resource
        for searched, reads in (
            (STUDIES, read.imaging_study),
            (PATIENTS, read.patient),
            (ENDPOINTS, read.endpoint),
        )
        for resource in (
            Resource(f"/{searched.type}", {"GET": search(searched)}, {"GET": _QUERY}),
            Resource(f"/{searched.type}/_search", {"POST": search(searched)}, {"POST": _QUERY}),
            Resource(f"/{searched.type}/{{id}}", {"GET": reads}, {"GET": _QUERY}),
        )
    ),
    Resource(
        "/Subscription",
        {"GET": search(SUBSCRIPTIONS), "POST": subscriptions.create},
        {"GET": _SUBSCRIBE, "POST": _SUBSCRIBE},
    ),
    Resource("/Subscription/_search", {"POST": search(SUBSCRIPTIONS)}, {"POST": _SUBSCRIBE}),
    Resource(
        "/Subscription/{id}",
        {
            "GET": subscriptions.read,
            "PUT": subscriptions.update,
            "DELETE": subscriptions.delete,
        },
        {"GET": _SUBSCRIBE, "PUT": _SUBSCRIBE, "DELETE": _SUBSCRIBE},
    ),
)


def is_below(path: str) -> bool:
    """Whether a path is FHIR's."""
    return _BELOW.fullmatch(path) is not None
