"""The embedded archive: files, and an index of them."""

from hilum.backends.archive.archive import STORES_AT_ONCE, Archive, open_archive

__all__ = ["STORES_AT_ONCE", "Archive", "open_archive"]
