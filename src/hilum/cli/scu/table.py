"""Shows the answers to a query as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from hilum.cli.scu.ending import printable
from hilum.codec.dicom_json import Attributes
from hilum.model.dictionary import keyword_of

WIDTH = 10_000  # characters, where nobody looks at a terminal: nothing is folded


def show(answers: Sequence[Attributes], columns: Sequence[int]) -> None:
    """Print a row for each answer.

    Args:
        answers: in DICOM JSON.
        columns: tags, those of no answer are left out.
    """
    names = [f"{tag:08X}" for tag in columns]
    shown = [name for name in names if any(name in each for each in answers)]
    table = Table()
    for name in shown:
        table.add_column(_title(name), overflow="fold")  # a UID is of no use without its end
    for each in answers:
        table.add_row(*(text(each.get(name, {})) for name in shown))
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)


def _title(name: str) -> str:
    return keyword_of(int(name, 16)) or name


def text(attribute: Mapping[str, Any]) -> str:
    """The value of an attribute, for people."""
    if "InlineBinary" in attribute or "BulkDataURI" in attribute:
        return "(binary)"
    values = attribute.get("Value", [])
    if attribute.get("vr") == "SQ":
        return f"({len(values)} items)" if len(values) != 1 else "(1 item)"
    return printable("\\".join(_one(each) for each in values))


def _one(value: Any) -> str:  # noqa: ANN401 - a JSON value
    if isinstance(value, Mapping):  # a person's name
        return "=".join(str(each) for each in value.values() if each)
    return "" if value is None else str(value)
