"""What is asked for, as people write it by hand: keys, a level, an information model."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hilum.codec import qido
from hilum.codec.identifier import UNIQUE_KEYS
from hilum.model.errors import BadQuery
from hilum.model.identity import Level
from hilum.model.query import Path

_DCMTK: Final = re.compile(
    r"\[0\]|[()]|(?<=[0-9A-Fa-f]{4}),(?=[0-9A-Fa-f]{4})"
)  # (0040,0100)[0].0040,0001


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for.

    Attributes:
        keys: path -> value; "" asks for the attribute.
    """

    level: Level
    patient_root: bool
    keys: Mapping[Path, str]


def asked(
    keys: Sequence[str],
    level: Level | None = None,
    default: Level | None = None,
    *,
    patient_root: bool | None = None,
) -> Asked:
    """What is said.

    Args:
        keys: as written: `PatientName=A*`, `0020000D`, `(0010,0010)=A*`.
        level: as chosen.
        default: of the level; None: the deepest one whose unique key has a value.
        patient_root: as chosen; None: at the patient level.

    Raises:
        BadQuery: a key is none, or no level can be told.
    """
    found = dict(_key(each) for each in keys)
    at = level or default or _deepest(found)
    root = at is Level.PATIENT if patient_root is None else patient_root
    if at is Level.PATIENT and not root:
        raise BadQuery("the study model has no patient level")
    return Asked(at, root, found)


def _key(text: str) -> tuple[Path, str]:
    name, _, value = text.partition("=")
    try:
        return qido.path_of(_DCMTK.sub("", name.strip()), hint=True), value
    except BadQuery as error:
        said = str(error).replace("neither a parameter nor an attribute", "no attribute")
        raise BadQuery(said) from None


def _deepest(keys: Mapping[Path, str]) -> Level:
    for level in reversed(Level):
        if keys.get((UNIQUE_KEYS[level],)):
            return level
    raise BadQuery("say what: -k StudyInstanceUID=…, or another unique key, and the level")
