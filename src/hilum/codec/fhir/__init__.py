"""How what DICOM knows is written as FHIR R4 (4.0.1), and how FHIR's searches are read."""
