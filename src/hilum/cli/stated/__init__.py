"""What a broker says of itself: the DICOM conformance statement, from its configuration."""
