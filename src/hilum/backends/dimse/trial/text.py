"""In which character set are the peer's answers really? (PS3.5 §6.1, PS3.3 §C.12.1.1.2)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hilum.backends.dimse.findings import Known, Seen
from hilum.codec import elements
from hilum.codec.charset import TEXT_VRS, charset_of
from hilum.codec.identifier import SPECIFIC_CHARACTER_SET
from hilum.codec.repertoire import UTF_8_TERM
from hilum.model.errors import BadDataset

_DESIGNATED = {  # escape sequence -> Specific Character Set, PS3.3 Table C.12-4
    b"\x1b$B": "\\ISO 2022 IR 87",
    b"\x1b$(D": "\\ISO 2022 IR 159",
    b"\x1b$)C": "\\ISO 2022 IR 149",
    b"\x1b$)A": "\\ISO 2022 IR 58",
    b"\x1b)I": "\\ISO 2022 IR 13",
}
_LATIN, _CHINESE = "ISO_IR 100", "GB18030"
_HIGH = re.compile(rb"[\x80-\xff]+")
_TWO_BYTES = re.compile(rb"(?:[\xb0-\xf7][\xa1-\xfe])+")  # the characters of GB 2312, and Hangul
_UNSURE = {_CHINESE: " (or another one of two bytes a character, as Korean has)"}


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts beyond ASCII of one answer.

    Attributes:
        declared: Specific Character Set as sent; None: not there, or empty.
        raw: their bytes.
        fits: they can be read as declared.
    """

    declared: str | None
    raw: tuple[bytes, ...]
    fits: bool


def text(known: Known) -> None:
    """Hold what the answers declare against what they look like."""
    found = [each for each in map(texts, known.studies) if each is not None]
    declared = sorted({each.declared for each in found if each.declared})
    says = f"declares {', '.join(declared)}" if declared else "declares nothing"
    beyond = [each for each in found if each.raw]
    if not beyond:
        known.tell("charset", "text", None, f"{says}; no text beyond ASCII was seen")
        return
    silent = [each for each in beyond if each.declared is None]
    wrong = [each for each in beyond if each.declared is not None and _is_wrong(each)]
    bad = silent or wrong
    if not bad:
        known.tell("charset", "text", declared, f"{says}, and is written so")
        return
    meant = guess([raw for each in bad for raw in each.raw])
    what = "without a declaration" if silent else "that is not as declared"
    counted = f"{says}; {len(bad)} of {len(found)} answers have text {what}"
    if meant is None:
        known.tell("charset", "text", None, f"{counted}, in no character set that is known here")
        return
    looks = f"{counted}: it looks like {meant}{_UNSURE.get(meant, '')}"
    if any(each.declared != meant for each in beyond if each not in bad):
        # The setting would be believed before every declaration, also where that is right.
        looks += "; the others are as declared, so that no setting is right for all"
        known.tell("charset", "text", meant, looks)
        return
    known.tell("charset", "text", meant, looks, charset=meant)


def texts(seen: Seen) -> Texts | None:
    """The texts of one answer; None where it cannot be read."""
    try:
        walked = elements.walk(seen.encoded, seen.syntax)
    except BadDataset:
        return None
    data, declared, found, fits = bytes(walked.data), b"", [], True
    for tag, vr, start, length, _, _ in walked.elements:
        raw = data[start : start + length]
        if tag == SPECIFIC_CHARACTER_SET:
            declared = raw.strip(b" \0")
        elif vr in TEXT_VRS and (not raw.isascii() or b"\x1b" in raw):
            found.append(raw)
            _, fault = charset_of(declared).decode(raw, person=vr == "PN")
            fits = fits and fault is None
    name = declared.decode("ascii", "replace")
    return Texts(name if charset_of(declared).declared else None, tuple(found), fits)


def _is_wrong(each: Texts) -> bool:
    """Not what was declared; in a character set of one byte everything can be read."""
    if not each.fits:
        return True
    one_byte = (each.declared or "").startswith("ISO_IR ") and each.declared != UTF_8_TERM
    return one_byte and guess(each.raw) in (UTF_8_TERM, _CHINESE)


def guess(raw: Sequence[bytes]) -> str | None:
    """What texts beyond ASCII look like; None: like nothing known."""
    for escape, name in _DESIGNATED.items():
        if any(escape in each for each in raw):
            return name
    if all(_is_utf_8(each) for each in raw):
        return UTF_8_TERM
    runs = list(_runs(raw))
    if runs and all(_TWO_BYTES.fullmatch(each) for each in runs):
        return _CHINESE
    if all(byte >= 0xA0 for run in runs for byte in run):  # noqa: PLR2004 - below are controls
        return _LATIN
    return None


def _is_utf_8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _runs(raw: Sequence[bytes]) -> Iterator[bytes]:
    """The stretches beyond ASCII."""
    for each in raw:
        yield from _HIGH.findall(each)
