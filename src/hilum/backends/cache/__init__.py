"""Keeps what another backend retrieved: for those who ask at the same time, or a while longer."""

from hilum.backends.cache.kept import Kept
from hilum.backends.cache.lingering import Lingering
from hilum.backends.cache.opened import open_kept
from hilum.backends.cache.straight import Straight

__all__ = ["Kept", "Lingering", "Straight", "open_kept"]
