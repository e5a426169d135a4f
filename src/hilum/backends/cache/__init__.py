"""Keeps what another backend retrieved: for those who ask at the same time, or a while longer."""

from hilum.backends.cache.kept import Kept, open_kept
from hilum.backends.cache.straight import Straight

__all__ = ["Kept", "Straight", "open_kept"]
