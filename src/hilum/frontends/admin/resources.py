"""Which resources does the door of administrators have? The one table of them."""

from typing import Final

from hilum.frontends.admin import metrics
from hilum.frontends.dicomweb import service
from hilum.frontends.dicomweb.resources import Resource
from hilum.frontends.dicomweb.who import NOT_LOOKED_AT
from hilum.model.principal import Right

_METRICS: Final = frozenset((Right.METRICS, Right.ADMIN))

RESOURCES: Final = (
    Resource("/metrics", {"GET": metrics.metrics}, {"GET": _METRICS}),
    Resource("/livez", {"GET": service.alive}, {"GET": NOT_LOOKED_AT}),
    Resource("/readyz", {"GET": service.ready}, {"GET": NOT_LOOKED_AT}),
)
"""The rights are needed at all mounts: what is told and done here is about all of them."""
