"""How is text written in the character sets that a peer asked in? (PS3.5 §6.1, PS3.3 §C.12.1.1.2).

The other direction of `codec.charset`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hilum.codec.charset import charset_of

UTF_8_TERM: Final = "ISO_IR 192"
_ESCAPES = MappingProxyType(  # term -> escape sequence; PS3.3 Tables C.12-3 and C.12-4
    {
        "ISO 2022 IR 100": b"\x1b-A",
        "ISO 2022 IR 101": b"\x1b-B",
        "ISO 2022 IR 109": b"\x1b-C",
        "ISO 2022 IR 110": b"\x1b-D",
        "ISO 2022 IR 144": b"\x1b-L",
        "ISO 2022 IR 127": b"\x1b-G",
        "ISO 2022 IR 126": b"\x1b-F",
        "ISO 2022 IR 138": b"\x1b-H",
        "ISO 2022 IR 148": b"\x1b-M",
        "ISO 2022 IR 203": b"\x1b-b",
        "ISO 2022 IR 13": b"\x1b)I",
        "ISO 2022 IR 166": b"\x1b-T",
        "ISO 2022 IR 149": b"\x1b$)C",
        "ISO 2022 IR 58": b"\x1b$)A",
        "ISO 2022 IR 87": b"",  # Python's codecs of these two write their escape sequences
        "ISO 2022 IR 159": b"",
        "ISO 2022 IR 6": b"",
    }
)
_CODECS = MappingProxyType({"ISO 2022 IR 87": "iso2022_jp", "ISO 2022 IR 159": "iso2022_jp_1"})
_HALF_WIDTH = "shift_jis"  # of which ISO IR 13 is the part with one byte a character
_PERSON_ENDS = re.compile(r"([\\^=])")  # after these the first character set holds again
_TEXT_ENDS = re.compile(r"([\\\t\n\f\r])")  # PS3.5 §6.1.2.5.3


@dataclass(frozen=True, slots=True)
class Repertoire:
    """A way to write text.

    Attributes:
        name: the value of Specific Character Set (0008,0005).
        codec: Python's name of the first character set.
        extensions: escape sequence and codec of those that may follow it.
    """

    name: str
    codec: str
    extensions: tuple[tuple[bytes, str], ...] = ()

    def encode(self, text: str, *, person: bool = False) -> bytes:
        """The bytes of `text`, not padded.

        Args:
            text: one or more values, their delimiters in it.
            person: its VR is PN.

        Raises:
            UnicodeEncodeError: it has a character that is in none of the character sets.
        """
        if not self.extensions or text.isascii():
            return _encoded(text, self.codec)
        ends = _PERSON_ENDS if person else _TEXT_ENDS
        return b"".join(map(self._part, ends.split(text)))

    def _part(self, text: str) -> bytes:
        """What stands between two delimiters, in one character set, else each character in its."""
        try:
            return self._run(text)
        except UnicodeEncodeError:
            return b"".join(map(self._run, text))

    def _run(self, text: str) -> bytes:
        try:
            return _encoded(text, self.codec)
        except UnicodeEncodeError as error:
            for escape, codec in self.extensions:
                try:
                    return escape + _encoded(text, codec)
                except UnicodeEncodeError:
                    continue
            raise error from None


UTF_8: Final = Repertoire(UTF_8_TERM, "utf-8")
LATIN_1: Final = Repertoire("ISO_IR 100", "latin-1")


def repertoire(terms: Sequence[str]) -> Repertoire | None:
    """The way to write in the character sets that Specific Character Set names; None: unknown.

    Args:
        terms: its values, the first of which may be empty.
    """
    first, more = (terms[0] if terms else ""), terms[1:]
    known = charset_of(first.encode("latin-1", "replace"))
    if known.fault or not (known.declared or more):
        return None
    if any(term not in _ESCAPES for term in more) or first in _CODECS:
        return None
    extensions = tuple((_ESCAPES[term], _codec(term)) for term in more)
    return Repertoire("\\".join(terms), known.encoding, extensions)


def _codec(term: str) -> str:
    return _CODECS.get(term) or charset_of(term.encode()).encoding


def _encoded(text: str, codec: str) -> bytes:
    data = text.encode(codec)
    if codec == _HALF_WIDTH and len(data) != len(text):
        raise UnicodeEncodeError(codec, text, 0, len(text), "not in JIS X 0201")
    return data
