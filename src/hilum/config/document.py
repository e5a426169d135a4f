"""How the manual shows what can be configured: the reference, written from the schema.

`python -m hilum.config.document doc/manual/03_configuration_reference.md` writes it there.
"""

import ast
import inspect
import json
import sys
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Annotated, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from hilum.config import units
from hilum.config.keys import KIND, Key, key, keys, kind
from hilum.config.kinds import RESTART, Section
from hilum.config.schema import Settings

_RESTART = "A change needs a restart."
NAME = "NAME"  # stands where the user names a table
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"
"""What the reference stands between; a test compares it with the schema."""


def reference(section: type[BaseModel] = Settings) -> str:
    """One Markdown table for each section."""
    return "\n".join(_tables(section, (), "", reloads=False))


def _tables(
    section: type[BaseModel], above: tuple[str, ...], of_kind: str, *, reloads: bool
) -> list[str]:
    """The rows of a section, then its tables.

    Args:
        section: which it is.
        above: its place.
        of_kind: of which kind of table it is.
        reloads: whether a change of the table above is applied while we serve.
    """
    reloads = reloads or (issubclass(section, Section) and section.reloads)
    meanings = _meanings(section)
    lines: list[str] = []
    rows: list[str] = []
    for name, found in _ordered(section).items():
        if not found.sections:
            rows.append(_row(name, section.model_fields[name], meanings.get(name, "")))
        below = (*above, name, NAME) if found.named else (*above, name)
        for each in found.sections:
            with_kind = f' with {KIND} = "{kind(each)}"' if len(found.sections) > 1 else of_kind
            lines += _tables(each, below, with_kind, reloads=reloads)
    if not rows:
        return lines
    purpose = " ".join((section.__doc__ or "").partition("\n\n    Attributes:")[0].split())
    purpose += "" if reloads else f" {_RESTART}"
    return [
        "",
        f"## [{'.'.join(above)}]{of_kind}",
        "",
        purpose,
        "",
        "| key | value | default | meaning |",
        "| --- | --- | --- | --- |",
        *rows,
        *lines,
    ]


def _ordered(section: type[BaseModel]) -> dict[str, Key]:
    """Its keys: first the one that says its kind, and its own before those of all its like."""
    own = [KIND, *section.__annotations__]
    return dict(sorted(keys(section).items(), key=lambda each: _place(own, each[0])))


def _place(names: list[str], name: str) -> int:
    return names.index(name) if name in names else len(names)


def _meanings(section: type[BaseModel]) -> dict[str, str]:
    """What stands below each setting in the source, by its name.

    Pydantic would read it too, but when the classes are made: a tenth of a second of each start.
    """
    found: dict[str, str] = {}
    for each in reversed(section.__mro__):
        if not issubclass(each, Section):
            continue
        (made,) = ast.parse(inspect.getsource(each)).body
        assert isinstance(made, ast.ClassDef)  # noqa: S101 - it is the source of a class
        for one, after in pairwise(made.body):
            if isinstance(one, ast.AnnAssign) and isinstance(after, ast.Expr):
                found[ast.unparse(one.target)] = ast.literal_eval(after.value)
    return found


def _row(name: str, field: FieldInfo, meaning: str) -> str:
    meaning = " ".join(meaning.split())
    meaning += f" {_RESTART}" if RESTART in field.metadata else ""
    return f"| `{name}` | {_value(field)} | {_default(field)} | {meaning} |"


def _value(field: FieldInfo) -> str:
    """What may be written, in a word."""
    converts = {part.func for part in _metadata(field) if isinstance(part, BeforeValidator)}
    if units.seconds in converts:
        return "time"
    if units.size in converts:
        return "size"
    found = key(field.annotation)
    if found.named:
        return "table of texts or secrets"
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        return ", ".join(f'`"{each}"`' for each in get_args(annotation))
    first = found.kinds[0]
    if isinstance(first, type) and issubclass(first, PurePath):
        return "path"
    words: dict[object, str] = {
        bool: "`true`, `false`",
        int: "number",
        float: "number",
        str: "text",
        tuple: "list of texts",
        SecretStr: "secret",
    }
    return words[first]


def _metadata(field: FieldInfo) -> list[object]:
    """What stands beside the type, also where there may be none instead of it."""
    parts = [each for each in get_args(field.annotation) if get_origin(each) is Annotated]
    return [*field.metadata, *(extra for part in parts for extra in part.__metadata__)]


def _default(field: FieldInfo) -> str:
    """The default as one would write it."""
    default = field.default
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "none"
    word = _value(field)
    if word == "time":
        return f'`"{units.spell_seconds(default)}"`'
    if word == "size":
        return f'`"{units.spell_size(default)}"`' if default >= 1000 else f"`{default}`"  # noqa: PLR2004 - shorter than with a unit
    if isinstance(default, PurePath):
        return f'`"{default.as_posix()}"`'
    return f"`{json.dumps(default)}`"


def rewritten(page: str) -> str:
    """The page with the reference between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{reference()}\n\n{END}{after}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(rewritten(path.read_text(encoding="utf-8")), encoding="utf-8")
