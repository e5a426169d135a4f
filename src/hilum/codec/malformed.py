"""Which values do not have the form of their VR? (PS3.5 §6.2)."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

MOST: Final = 10  # attributes that are named

_CLOCK = r"(?:[01]\d|2[0-3])(?::?[0-5]\d(?::?(?:[0-5]\d|60)(?:\.\d+)?)?)?"
_DAY = r"(?:0\d|1[0-2])[-.]?(?:[0-2]\d|3[01])"
_FORMS: Final = {
    vr: re.compile(form).fullmatch
    for vr, form in (
        ("AS", r"\d{3}[DWMY]"),
        ("DA", rf"\d{{4}}[-.]?{_DAY}"),
        ("DT", rf"\d{{4}}(?:(?:0\d|1[0-2])|{_DAY}(?:{_CLOCK})?)?(?:[+-]\d{{4}})?"),
        ("TM", _CLOCK),
        ("UI", r"[0-9.]{1,64}"),
    )
}


def malformed(attributes: Mapping[str, Any]) -> list[str]:
    """Warnings of values that are kept as they came, but are no dates, times, ages or UIDs.

    Lenient where data of the field are: the forms of ACR-NEMA with dots and colons, months and
    days that are 00, and fractions of any length are let pass. Numbers are not looked at: those
    that cannot be read are told of by whoever reads them.

    Args:
        attributes: a data set in the DICOM JSON Model.
    """
    return list(islice(dict.fromkeys(_found(attributes)), MOST))


def _found(attributes: Mapping[str, Any]) -> Iterator[str]:
    for tag, element in attributes.items():
        vr = element["vr"]
        if vr in _FORMS:
            form = _FORMS[vr]
            for value in element.get("Value", ()):
                if value is not None and form(value) is None:
                    yield f"({tag[:4]},{tag[4:]}) has a value that is no {vr}"
        elif vr == "SQ":
            for item in element.get("Value", ()):
                yield from _found(item)
