"""What a FHIR search asks for, in terms of DICOM, and whether a resource holds it."""
