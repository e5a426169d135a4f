"""The embedded archive: files, and an index of them."""

from hilum.backends.archive.archive import Archive, open_archive

__all__ = ["Archive", "open_archive"]
