"""The text that the bytes of a character string mean (PS3.5 §6.1, PS3.3 §C.12.1.1.2)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from hilum.model.charsets import ENCODINGS

TEXT_VRS: Final = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
"""VRs that Specific Character Set (0008,0005) says something about."""

_ASCII = "ascii"
_ESCAPE = b"\x1b"
_DEFAULT = ("", "ISO_IR 6", "ISO 2022 IR 6")
_ENCODINGS = MappingProxyType(
    {
        term: encoding if encoding != "iso_ir_58" else "gb2312"
        for term, encoding in ENCODINGS.items()
    }
    | {"ISO_IR 203": "iso8859_15", "ISO 2022 IR 203": "iso8859_15"}
    | dict.fromkeys(_DEFAULT, _ASCII)
)
_NICKNAMES = MappingProxyType(
    {"UTF8": "ISO_IR 192", "ISO2022GBK": "GBK", "GB2312": "ISO 2022 IR 58", "LATIN1": "ISO_IR 100"}
)
_ESCAPES = MappingProxyType(  # without the ESC, longest first (PS3.3 Tables C.12-3 and C.12-4)
    {
        b"$)C": "euc_kr",
        b"$(D": "iso2022_jp_2",
        b"$)A": "gb2312",
        b"(B": _ASCII,
        b"-A": "latin_1",
        b")I": "shift_jis",
        b"(J": "shift_jis",
        b"$B": "iso2022_jp",
        b"-B": "iso8859_2",
        b"-C": "iso8859_3",
        b"-D": "iso8859_4",
        b"-F": "iso_ir_126",
        b"-G": "iso_ir_127",
        b"-H": "iso_ir_138",
        b"-L": "iso_ir_144",
        b"-M": "iso_ir_148",
        b"-T": "iso_ir_166",
        b"$@": "iso2022_jp",
        b"-b": "iso8859_15",
    }
)
_SHIFTING = ("iso2022_jp", "iso2022_jp_2")  # their codecs want to see the escape sequence
_TERM = re.compile(r"ISO(2022)?IR(\d+)")
_PERSON_ENDS = re.compile(rb"[\\=^]")  # what resets code extensions, PS3.5 §6.1.2.5.3
_TEXT_ENDS = re.compile(rb"[\\\t\n\f\r]")


@dataclass(frozen=True, slots=True)
class Charset:
    """How strings of one data set or item are to be decoded.

    Attributes:
        encoding: Python's name for the first value of Specific Character Set; "ascii" when it is
            empty or the default repertoire.
        declared: a usable value was there.
        fault: what is wrong with Specific Character Set itself, or None.
    """

    encoding: str = _ASCII
    declared: bool = False
    fault: str | None = None

    def decode(self, raw: bytes, *, person: bool = False) -> tuple[str, str | None]:
        """The text, and what was wrong with it, or None. Delimiters are not interpreted.

        Args:
            raw: a whole value field, padding included.
            person: VR is PN, whose delimiters end code extensions, too.
        """
        if _ESCAPE in raw:
            return self._extended(raw, _PERSON_ENDS if person else _TEXT_ENDS)
        try:
            return raw.decode(self.encoding), None
        except UnicodeDecodeError:
            return self._undecodable(raw)

    def _undecodable(self, raw: bytes) -> tuple[str, str]:
        """The best guess at what the declared character set does not explain."""
        if self.encoding != _ASCII:
            return raw.decode(self.encoding, "replace"), "does not fit Specific Character Set"
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        return text, "has characters beyond ASCII without Specific Character Set"

    def _extended(self, raw: bytes, ends: re.Pattern[bytes]) -> tuple[str, str | None]:
        """Text with ISO 2022 code extensions (PS3.5 §6.1.2.5), piece by piece."""
        first, *pieces = raw.split(_ESCAPE)
        text, fault = self.decode(first)
        texts = [text]
        for piece in pieces:
            code = next((code for code in _ESCAPES if piece.startswith(code)), None)
            if code is None:
                text, _ = self.decode(piece)
                fault = "has an unknown escape sequence"
            else:
                text, wrong = self._designated(piece, code, ends)
                fault = fault or wrong
            texts.append(text)
        return "".join(texts), fault

    def _designated(
        self, piece: bytes, code: bytes, ends: re.Pattern[bytes]
    ) -> tuple[str, str | None]:
        """What follows one known escape sequence."""
        encoding = _ESCAPES[code]
        rest = b""
        if encoding in _SHIFTING:
            piece = _ESCAPE + piece
        else:
            piece = piece[len(code) :]
            end = ends.search(piece)
            if end:  # from here on the first character set holds again
                piece, rest = piece[: end.start()], piece[end.start() :]
        fault = None
        try:
            text = piece.decode(self.encoding if encoding == _ASCII else encoding)
        except UnicodeDecodeError:
            text, fault = piece.decode(encoding, "replace"), "does not fit its escape sequence"
        for again in (self.encoding, encoding):  # some forget to designate again
            try:
                return text + rest.decode(again), fault
            except UnicodeDecodeError:
                continue
        return text + rest.decode("latin-1"), "does not fit Specific Character Set"


@lru_cache(maxsize=256)
def charset_of(value: bytes) -> Charset:
    """The character set that a value of Specific Character Set (0008,0005) names.

    Malformed terms like "ISO-IR 100" are taken for what they mean; see `Charset.fault`.
    """
    term = value.decode("latin-1").split("\\")[0].strip("\0 ").upper()
    if term in _ENCODINGS:
        return Charset(_ENCODINGS[term], term not in _DEFAULT or b"\\" in value)
    squeezed = re.sub(r"[ _-]", "", term)
    match = _TERM.fullmatch(squeezed)
    meant = f"ISO{' 2022 IR' if match[1] else '_IR'} {match[2]}" if match else squeezed
    meant = _NICKNAMES.get(meant, meant)
    if meant in _ENCODINGS:
        return Charset(_ENCODINGS[meant], declared=True, fault="(0008,0005) is misspelt")
    return Charset(fault="(0008,0005) has an unknown character set")
