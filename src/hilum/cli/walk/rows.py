"""Which rows there are, in the order they are walked: store first, then search, then retrieve."""

from hilum.cli.walk import dimse, fhir, web

ROWS = (
    *dimse.SERVICE,
    *web.SERVICE,
    *dimse.STORE,
    *web.STORE,
    *dimse.SEARCH,
    *web.SEARCH,
    *dimse.RETRIEVE,
    *web.RETRIEVE,
    *fhir.SERVICE,
    *fhir.SEARCH,
)
