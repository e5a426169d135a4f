"""What is asked for: keys, level and information model from a command line."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import typer

from hilum.cli.scu.ending import Misuse
from hilum.codec import qido
from hilum.codec.identifier import UNIQUE_KEYS
from hilum.model.errors import BadQuery
from hilum.model.identity import Level
from hilum.model.query import Path

_DCMTK = re.compile(
    r"\[0\]|[()]|(?<=[0-9A-Fa-f]{4}),(?=[0-9A-Fa-f]{4})"
)  # (0040,0100)[0].0040,0001


class Depth(Enum):
    """A level, as it is written on the command line."""

    patient = "patient"
    study = "study"
    series = "series"
    image = "image"


class Model(Enum):
    """An information model (PS3.4 §C.6), as it is written on the command line."""

    patient = "patient"
    study = "study"


KeysOption = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        "-k",
        metavar="KEY[=VALUE]",
        help="PatientName=A*, 0020000D, RequestAttributesSequence.RequestedProcedureID=7; repeat.",
    ),
]
LevelOption = Annotated[
    Depth | None, typer.Option("--level", "-l", help="Of what is asked for.", show_default=False)
]
ModelOption = Annotated[
    Model | None,
    typer.Option(
        "--model", help="Information model; patient at that level, else study.", show_default=False
    ),
]
RelationalOption = Annotated[
    bool,
    typer.Option("--relational", help="Negotiate to leave out the unique keys above the level."),
]


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
    keys: Sequence[str] | None, level: Depth | None, model: Model | None, default: Level | None
) -> Asked:
    """What the options say.

    Args:
        keys: as written.
        level: as chosen.
        model: as chosen.
        default: of the level; None: the deepest one whose unique key has a value.

    Raises:
        Misuse: a key is none, or no level can be told.
    """
    found = dict(_key(each) for each in keys or ())
    at = Level[level.name.upper()] if level else default or _deepest(found)
    patient_root = model is Model.patient or (model is None and at is Level.PATIENT)
    if at is Level.PATIENT and not patient_root:
        raise Misuse("the study model has no patient level")
    return Asked(at, patient_root, found)


def _key(text: str) -> tuple[Path, str]:
    name, _, value = text.partition("=")
    try:
        return qido.path_of(_DCMTK.sub("", name.strip()), hint=True), value
    except BadQuery as error:
        raise Misuse(
            str(error).replace("neither a parameter nor an attribute", "no attribute")
        ) from None


def _deepest(keys: Mapping[Path, str]) -> Level:
    for level in reversed(Level):
        if keys.get((UNIQUE_KEYS[level],)):
            return level
    raise Misuse("say what: -k StudyInstanceUID=…, or another unique key, and the level")
