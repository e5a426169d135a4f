"""Which character sets are there, and what does Python call them? (PS3.3 §C.12.1.1.2)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_PARTS = {
    "6": "iso8859",
    "13": "shift_jis",
    "100": "latin_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "126": "iso_ir_126",
    "127": "iso_ir_127",
    "138": "iso_ir_138",
    "144": "iso_ir_144",
    "148": "iso_ir_148",
    "166": "iso_ir_166",
}
"""Number in ISO's register -> codec, of those that may stand with and without extensions."""

ENCODINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "": "iso8859",
        **{f"ISO_IR {number}": codec for number, codec in _PARTS.items()},
        **{f"ISO 2022 IR {number}": codec for number, codec in _PARTS.items()},
        "ISO 2022 IR 87": "iso2022_jp",
        "ISO 2022 IR 149": "euc_kr",
        "ISO 2022 IR 159": "iso2022_jp_2",
        "ISO 2022 IR 58": "iso_ir_58",
        "ISO_IR 192": "UTF8",
        "GB18030": "GB18030",
        "ISO 2022 GBK": "GBK",
        "ISO 2022 58": "GB2312",
        "GBK": "GBK",
    }
)
"""Defined term -> codec; the default repertoire is taken for Latin-1, as it often is."""
