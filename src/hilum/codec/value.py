"""The value of one VR in the DICOM JSON Model (PS3.18 §F.2.3)."""

from math import isfinite
from struct import Struct, unpack_from
from typing import Final, TypeAlias

from hilum.codec.header import Buffer

Name: TypeAlias = dict[str, str]
"""A person name by its groups: Alphabetic, Ideographic, Phonetic."""

_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_SAFE = 2**53 - 1  # the largest whole number that every JSON reader keeps
_FORMATS: Final = {
    "FD": "d", "FL": "f", "SL": "l", "SS": "h", "SV": "q", "UL": "L", "US": "H", "UV": "Q",
}  # fmt: skip
_SINGLE: Final = {
    (order, vr): Struct(order + letter) for order in "<>" for vr, letter in _FORMATS.items()
}
NUMBERS: Final = frozenset(_FORMATS)
"""VRs that are numbers in binary."""


def decimals(text: str) -> list[float | None]:
    """Values of a DS, as numbers.

    Raises:
        ValueError: one of them is none, or not finite.
    """
    if "_" in text:  # Python's digits may have them
        raise ValueError
    if "\\" not in text:
        value = float(text)
        if isfinite(value):
            return [value]
        raise ValueError
    values = [float(part) if part.strip() else None for part in text.split("\\")]
    if not all(value is None or isfinite(value) for value in values):
        raise ValueError
    return values


def integers(text: str) -> list[int | None]:
    """Values of an IS; "1.0" is one.

    Raises:
        ValueError: one of them is none, or has more than 53 bits.
    """
    if "_" in text:
        raise ValueError
    return [_integer(part) if part.strip() else None for part in text.split("\\")]


def _integer(text: str) -> int:
    try:
        whole = int(text)
    except ValueError:
        decimal = float(text)
        whole = int(decimal) if isfinite(decimal) else 0
        if whole != decimal:
            raise
    if -_SAFE <= whole <= _SAFE:
        return whole
    raise ValueError


def numbers(vr: str, data: Buffer, start: int, length: int, order: str) -> list[float | str]:
    """Values of a VR in `NUMBERS`; whole numbers beyond 53 bits as text (PS3.18 §F.2.3).

    Args:
        vr: in `NUMBERS`.
        data: holds the value.
        start: where it begins.
        length: in bytes, not 0.
        order: "<" or ">".

    Raises:
        ValueError: the length is not whole words, or a number is not finite.
    """
    single = _SINGLE[order, vr]
    count, rest = divmod(length, single.size)
    if rest:
        raise ValueError
    values: list[float | str] = list(unpack_from(f"{order}{count}{_FORMATS[vr]}", data, start))
    if vr in ("FD", "FL"):
        if not all(map(isfinite, values)):  # type: ignore[arg-type]  # all are floats here
            raise ValueError
    elif vr in ("SV", "UV"):
        return [each if abs(each) <= _SAFE else str(each) for each in values]  # type: ignore[arg-type]  # all are ints here
    return values


def tags(data: Buffer, start: int, length: int, order: str) -> list[str]:
    """Values of an AT, as eight hex digits each.

    Raises:
        ValueError: the length is not whole tags.
    """
    if length % 4:
        raise ValueError
    halves = unpack_from(f"{order}{length // 2}H", data, start)
    return [f"{group:04X}{number:04X}" for group, number in zip(*[iter(halves)] * 2, strict=True)]


def names(text: str) -> list[Name | None]:
    """Values of a PN; empty groups are left out, an empty name is None (PS3.18 §F.2.2)."""
    if "\\" not in text and "=" not in text:
        return [{"Alphabetic": text}]
    return [_name(part) for part in text.split("\\")]


def _name(text: str) -> Name | None:
    groups = (part.rstrip(" \0") for part in text.split("=", 3)[:3])
    return {key: group for key, group in zip(_GROUPS, groups, strict=False) if group} or None


def codes(text: str) -> list[str | None]:
    """Values of a VR in which blanks around them say nothing; the empty one is None."""
    if "\\" not in text:
        return [text.strip()]
    return [part.strip(" \0") or None for part in text.split("\\")]


def strings(text: str) -> list[str | None]:
    """Values of a VR that is text and may have several of them; the empty one is None."""
    if "\\" not in text:
        return [text]
    return [part.rstrip(" \0") or None for part in text.split("\\")]


def one_string(text: str) -> list[str | None]:
    """The value of a VR that is text and has only one."""
    return [text]
