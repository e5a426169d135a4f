"""An origin server spoken to by DICOMweb, and destinations that take STOW-RS."""

from hilum.backends.dicomweb.origin import Origin, open_origin, open_url_stores

__all__ = ["Origin", "open_origin", "open_url_stores"]
