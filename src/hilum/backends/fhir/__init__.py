"""A FHIR server that knows of studies, and the DICOMweb servers that its Endpoints lead to."""

from hilum.backends.fhir.index import Index, open_index

__all__ = ["Index", "open_index"]
