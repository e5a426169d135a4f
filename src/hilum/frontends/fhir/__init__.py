"""FHIR R4 over every mount: Patient, ImagingStudy, Endpoint. Beside DICOMweb, by the same door."""
