"""How are the pixels of an instance written? What decoding and encoding must know of them."""

from dataclasses import dataclass
from typing import Final

from hilum.codec.header import EXPLICIT_BIG

FLOAT = 0x7FE00008
DOUBLE = 0x7FE00009
PIXEL_DATA = 0x7FE00010

_BIG: Final = (EXPLICIT_BIG, "1.2.840.113619.5.2")  # the other is GE's: big endian in pixels only


@dataclass(frozen=True, slots=True)
class Pixels:
    """The Image Pixel Module, as far as it tells how frames are written (PS3.3 §C.7.6.3).

    Attributes:
        transfer_syntax_uid: of the data set.
        tag: of the element that holds them: `PIXEL_DATA`, `FLOAT` or `DOUBLE`.
        rows, columns: of a frame, pixels.
        frames: Number of Frames (0028,0008), 1 where it is not said.
        samples: Samples per Pixel (0028,0002).
        photometric: Photometric Interpretation (0028,0004).
        allocated, stored: Bits Allocated and Bits Stored (0028,0100) and (0028,0101).
        signed: Pixel Representation (0028,0103) is 1.
        by_plane: Planar Configuration (0028,0006) is 1.
        vr: "OB" or "OW" as the element is written; big endian words are told by the syntax.
    """

    transfer_syntax_uid: str
    rows: int
    columns: int
    frames: int = 1
    samples: int = 1
    photometric: str = "MONOCHROME2"
    allocated: int = 16
    stored: int = 16
    signed: bool = False
    by_plane: bool = False
    tag: int = PIXEL_DATA
    vr: str = "OW"

    @property
    def bits(self) -> int:
        """Bits of one frame that is not compressed; frames of 1-bit pixels share bytes."""
        samples = 2 if self.subsampled else self.samples
        return self.rows * self.columns * samples * self.allocated

    @property
    def subsampled(self) -> bool:
        """Two pixels share their chrominance, where not compressed (PS3.3 §C.7.6.3.1.2)."""
        return self.photometric == "YBR_FULL_422" and self.samples == 3  # noqa: PLR2004 - Y, CB, CR

    @property
    def big(self) -> bool:
        """Uncompressed words are in big endian."""
        return self.transfer_syntax_uid in _BIG

    @property
    def torn(self) -> bool:
        """Pixels are not words of two bytes, and stand in such whose bytes are in the other order.

        Those of 32 bits are two words then, the lower one first (PS3.5 §8.1.1), as DCMTK has it.
        """
        return (
            self.big and self.tag == PIXEL_DATA and self.vr == "OW" and self.allocated != 16  # noqa: PLR2004 - bits
        )
