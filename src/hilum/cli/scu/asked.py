"""What is asked for: keys, level and information model from a command line."""

from collections.abc import Sequence
from enum import Enum
from typing import Annotated

import typer

from hilum.cli.scu.ending import Misuse
from hilum.codec import by_hand
from hilum.codec.by_hand import Asked
from hilum.model.errors import BadQuery
from hilum.model.identity import Level

__all__ = [
    "Asked",
    "Depth",
    "KeysOption",
    "LevelOption",
    "Model",
    "ModelOption",
    "RelationalOption",
    "asked",
]


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
    at = Level[level.name.upper()] if level else None
    root = None if model is None else model is Model.patient
    try:
        return by_hand.asked(keys or (), at, default, patient_root=root)
    except BadQuery as error:
        raise Misuse(str(error)) from None
