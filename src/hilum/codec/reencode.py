"""A data set from one uncompressed Transfer Syntax to another, as its bytes come by."""

from collections.abc import Iterator
from typing import Final
from zlib import DEFLATED as DEFLATE
from zlib import MAX_WBITS, Z_DEFAULT_COMPRESSION, compressobj

from hilum.codec.deflate import Inflater
from hilum.codec.header import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, syntax_of
from hilum.codec.rewrite import Rewriter

SYNTAXES: Final = frozenset((IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED))
"""The Transfer Syntaxes between which pixels stay as they are."""


def possible(source_ts: str, target_ts: str) -> bool:
    """Whether `Reencoder` takes a data set from one Transfer Syntax to the other."""
    return source_ts in SYNTAXES and target_ts in SYNTAXES


class Reencoder:
    """Re-encodes one data set (without File Meta Information), piece by piece.

    Values stay the same. Bounded: whatever the length of a value, no more than the piece at
    hand and 64 KiB are held; only a deflated piece grows to what it is inflated, unless it is
    taken by `pieces`.
    """

    def __init__(self, source_ts: str, target_ts: str) -> None:
        """Between two of `SYNTAXES`.

        Raises:
            ValueError: not `possible`.
        """
        if not possible(source_ts, target_ts):
            raise ValueError("only between uncompressed Transfer Syntaxes")
        self._inflater = Inflater() if source_ts == DEFLATED else None
        self._rewriter = Rewriter(syntax_of(source_ts), syntax_of(target_ts))
        self._deflater = (
            compressobj(Z_DEFAULT_COMPRESSION, DEFLATE, -MAX_WBITS)
            if target_ts == DEFLATED
            else None
        )
        self._deflated = 0  # bytes

    def feed(self, data: bytes) -> bytes:
        """What the next bytes of the source become, perhaps later ones.

        Raises:
            BadDataset: the source cannot be understood, or has encapsulated pixels.
        """
        return b"".join(self.pieces(data))

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """As `feed`, in pieces of some MiB at most, however much the data inflate.

        Raises:
            BadDataset: as `feed`.
        """
        for plain in self._inflater.feed(data) if self._inflater else (data,):
            piece = self._deflate(self._rewriter.feed(plain))
            if piece:
                yield piece

    def close(self, *, cut: bool = False) -> bytes:
        """The rest, after all of the source.

        Args:
            cut: a source that ends within an element becomes a data set that ends there as well.

        Raises:
            BadDataset: the source ended within an element and may not, or as `feed`.
        """
        rest = b""
        if self._inflater:
            rest = self._deflate(self._rewriter.feed(self._inflater.close(cut=cut)))
        rest += self._deflate(self._rewriter.close(cut=cut))
        if self._deflater:
            rest += self._deflater.flush()
            self._deflated += len(rest)
            rest += b"\0" * (self._deflated & 1)  # PS3.5 §A.5
        return rest

    def _deflate(self, plain: bytes) -> bytes:
        if self._deflater is None:
            return plain
        piece = self._deflater.compress(plain)
        self._deflated += len(piece)
        return piece
