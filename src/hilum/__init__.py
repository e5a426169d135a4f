"""Hilum: one gate between DIMSE, DICOMweb and FHIR."""

__version__ = "0.1.0"
