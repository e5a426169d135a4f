"""How long and how large: "500ms", "10m", "5GB" as numbers and back."""

import re

_NUMBER = r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*"
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}


def seconds(value: object) -> float:
    """A time in float seconds, from a number of seconds or a text with a unit.

    Raises:
        ValueError: it is not a time, with what would be one.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    found = re.fullmatch(_NUMBER, value) if isinstance(value, str) else None
    if found is None or found[2].lower() not in _SECONDS:
        raise ValueError('not a time; write it like "500ms", "30s", "10m" or "1h"')
    return float(found[1]) * _SECONDS[found[2].lower()]


def size(value: object) -> int:
    """A size in bytes, from a number of bytes or a text with a unit (1 KB is 1000, 1 KiB 1024).

    Raises:
        ValueError: it is not a size, with what would be one.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = re.fullmatch(_NUMBER, value) if isinstance(value, str) else None
    if found is None or found[2].lower() not in _BYTES:
        raise ValueError('not a size; write it like "128KB", "64KiB", "500MB" or "5GB"')
    return round(float(found[1]) * _BYTES[found[2].lower()])


def spell_seconds(value: float) -> str:
    """A time as one would write it in the configuration."""
    if value and value < 1:
        return f"{value * 1000:g}ms"
    for unit, length in (("h", 3600), ("m", 60)):
        if value >= length and value % length == 0:
            return f"{value / length:g}{unit}"
    return f"{value:g}s"


def spell_size(value: int) -> str:
    """A size as one would write it in the configuration."""
    for unit, length in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if value >= length and value % length == 0:
            return f"{value // length}{unit}"
    for unit, length in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= length and value % length == 0:
            return f"{value // length}{unit}"
    return str(value)
