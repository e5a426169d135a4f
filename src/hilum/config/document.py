"""How the manual shows what can be configured: the reference, written from the schema.

`python -m hilum.config.document doc/manual/03_configuration_reference.md` writes it there.
"""

import json
import sys
from pathlib import Path, PurePath
from typing import Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from hilum.config import units
from hilum.config.keys import keys
from hilum.config.schema import Settings

NAME = "NAME"  # stands where the user names a table
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"
"""What the reference stands between; a test compares it with the schema."""


def reference(section: type[BaseModel] = Settings) -> str:
    """One Markdown table for each section."""
    return "\n".join(_tables(section, ()))


def _tables(section: type[BaseModel], above: tuple[str, ...]) -> list[str]:
    lines: list[str] = []
    rows: list[str] = []
    for name, found in keys(section).items():
        if found.section is not None:
            below = (*above, name, NAME) if found.named else (*above, name)
            lines += _tables(found.section, below)
        else:
            rows.append(_row(name, section.model_fields[name]))
    if not rows:
        return lines
    purpose = (section.__doc__ or "").strip()
    head = ["", f"## [{'.'.join(above)}]", "", purpose, ""]
    return [
        *head,
        "| key | value | default | meaning |",
        "| --- | --- | --- | --- |",
        *rows,
        *lines,
    ]


def _row(name: str, field: FieldInfo) -> str:
    meaning = " ".join((field.description or "").split())
    return f"| `{name}` | {_value(field)} | {_default(field)} | {meaning} |"


def _value(field: FieldInfo) -> str:
    """What may be written, in a word."""
    converts = {part.func for part in field.metadata if isinstance(part, BeforeValidator)}
    if units.seconds in converts:
        return "time"
    if units.size in converts:
        return "size"
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        return ", ".join(f'`"{each}"`' for each in get_args(annotation))
    kinds = [part for part in (get_args(annotation) or (annotation,)) if part is not type(None)]
    first = get_args(kinds[0])[0] if get_args(kinds[0]) else kinds[0]
    if get_origin(annotation) is tuple:
        return "list of texts"
    words = {bool: "`true`, `false`", int: "number", str: "text", SecretStr: "secret"}
    return words.get(
        first, "path" if isinstance(first, type) and issubclass(first, PurePath) else ""
    )


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
