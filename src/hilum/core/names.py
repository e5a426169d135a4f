"""How person names are compared: without case and accents, group by group (PS3.5 §6.2.1)."""

import re
from functools import lru_cache
from typing import Final
from unicodedata import combining, normalize

Groups = tuple[str, str, str]
"""The alphabetic, ideographic and phonetic component groups; "" where there is none."""

_GROUPS = 3
_LETTERS: Final = str.maketrans(
    {
        "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "\u0131": "i", "ŧ": "t", "ŋ": "n",
        "æ": "ae", "œ": "oe", "þ": "th", "ə": "e", "ɓ": "b", "ɗ": "d", "ɠ": "g", "ƙ": "k",
        "\u02bc": "'", "\u02bb": "'", "\u2019": "'", "\u2018": "'", "`": "'", "\u00b4": "'",
        "\u2010": "-", "\u2011": "-", "\u2013": "-",
    }
)  # fmt: skip
"""Letters that no decomposition takes apart, and quotes and dashes that look the same."""
_WORDS = re.compile(r"[\s^=,'*\-]+")
_SPACES = re.compile(r"\s+")
_ABOVE = 200  # canonical combining classes from here on are marks above, below, beside letters
_POINTS = range(10, 37)  # those of Hebrew points and Arabic vowel signs


def _is_accent(character: str) -> bool:
    """Whether a combining character may be dropped.

    Viramas, nuktas, kana voicing and Thai vowels (classes 7, 8, 9, 103, 107) may not: without
    them it is another name.
    """
    place = combining(character)
    return place >= _ABOVE or place in _POINTS


@lru_cache(maxsize=4096)
def folded(text: str) -> str:
    """`text` without case, accents and differences of width: "Müller" and "MULLER" are one.

    `*`, `?`, `^` and `=` stay, so that a pattern is folded like a value.
    """
    if text.isascii():
        return _SPACES.sub(" ", text.lower())
    apart = normalize("NFKD", normalize("NFKD", text).casefold())
    plain = "".join(character for character in apart if not _is_accent(character))
    return _SPACES.sub(" ", normalize("NFC", plain.translate(_LETTERS)))


def group(text: str) -> str:
    """One component group, folded, without what does not count: trailing `^`, outer blanks."""
    parts = [part.strip() for part in folded(text).split("^")]
    while parts and not parts[-1]:
        parts.pop()
    return "^".join(parts)


def groups(text: str) -> Groups:
    """The three component groups of a name written with `=` between them."""
    parts = [group(part) for part in text.split("=")[:_GROUPS]]
    parts += [""] * (_GROUPS - len(parts))
    return parts[0], parts[1], parts[2]


def groups_of(value: object) -> Groups:
    """The three component groups of a name in the DICOM JSON model (PS3.18 §F.2.2)."""
    if isinstance(value, str):
        return groups(value)
    if not isinstance(value, dict):
        return "", "", ""
    alphabetic, ideographic, phonetic = (
        group(part) if isinstance(part := value.get(key), str) else ""
        for key in ("Alphabetic", "Ideographic", "Phonetic")
    )
    return alphabetic, ideographic, phonetic


def words(text: str) -> list[str]:
    """The words of a name or a pattern, folded, for fuzzy matching."""
    return [word for word in _WORDS.split(folded(text)) if word]
