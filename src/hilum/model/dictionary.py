"""What does the standard know of a tag, a keyword or a UID? (PS3.6).

These are pydicom's tables, without pydicom around them: `import pydicom` carries numpy and Pillow
along, 30 MB and a fifth of a second that a broker needs only where it looks at pixels. What works
with data sets of pydicom's imports it the ordinary way, and shares these tables.
"""

import sys
from collections.abc import Mapping
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any, Final

Entry = tuple[str, str, str, str, str]
"""VR, VM, name, "Retired" or empty, keyword."""


def _table(name: str) -> Any:  # noqa: ANN401 - a module
    """A module of pydicom's that holds nothing but a table."""
    full = f"pydicom.{name}"
    if full not in sys.modules:
        package = find_spec("pydicom")
        spec = PathFinder.find_spec(full, package.submodule_search_locations if package else None)
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"No module named {full!r}", name=full)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules.setdefault(full, module)
    return sys.modules[full]


TAGS: Final[Mapping[int, Entry]] = _table("_dicom_dict").DicomDictionary
"""By tag, without repeating groups. A dict, as it is asked for each element."""
UIDS: Final[Mapping[str, tuple[str, str, str, str, str]]] = _table("_uid_dict").UID_dictionary
"""UID -> name, type, information, "Retired" or empty, keyword."""

_REPEATING: Final[dict[int, list[tuple[int, int, Entry]]]] = {}
"""First byte of a group -> bits that count in a tag, what they are, entry (PS3.5 §7.6)."""
for _mask, _entry in _table("_dicom_dict").RepeatersDictionary.items():
    _REPEATING.setdefault(int(_mask[:2], 16), []).append(
        (
            int("".join("0" if digit == "x" else "F" for digit in _mask), 16),
            int(_mask.replace("x", "0"), 16),
            _entry,
        )
    )


def entry_of(tag: int) -> Entry | None:
    """What the dictionary has of a tag; None: nothing, or it is private."""
    return TAGS.get(tag) or (None if tag & 0x10000 else repeating(tag))


def repeating(tag: int) -> Entry | None:
    """What the dictionary has of a tag in a repeating group, such as an overlay's."""
    entries = _REPEATING.get(tag >> 24, ())
    return next((entry for mask, base, entry in entries if tag & mask == base), None)


def vr_of(tag: int) -> str:
    """The VR of a tag, perhaps several: "US or SS"; "" where it is not known."""
    entry = entry_of(tag)
    return entry[0] if entry else ""


def keyword_of(tag: int) -> str:
    """The keyword of a tag; "" where it has none."""
    entry = entry_of(tag)
    return entry[4] if entry else ""


def name_of(uid: str) -> str:
    """What the standard calls a UID; the UID itself where it has no name for it."""
    entry = UIDS.get(uid)
    return entry[0] if entry else uid


@cache
def keywords() -> Mapping[str, int]:
    """Tags by keyword."""
    return {entry[4]: tag for tag, entry in TAGS.items() if entry[4]}


def private_vr_of(tag: int, creator: str) -> str:
    """The VR of a private attribute; "" where its creator, or the tag of it, is not known."""
    known = _table("_private_dict").private_dictionaries.get(creator, {})
    group, element = f"{tag >> 16:04X}", f"{tag & 0xFFFF:04X}"
    # With a block of its own, in any block, or in any block of several groups (PS3.5 §7.8.1).
    names = f"{group}{element}", f"{group}xx{element[2:]}", f"{group[:2]}xxxx{element[2:]}"
    return next((str(known[name][0]) for name in names if name in known), "")
