"""What does a structured report say? Its tree as HTML or text (PS3.3 §C.17.3)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from hilum.imaging.values import Values
from hilum.model.dictionary import name_of
from hilum.model.errors import NotAcceptable

HTML: Final = "text/html"
TEXT: Final = "text/plain"
MOST: Final = 50_000  # content items

_CONTENT, _VALUE_TYPE, _NAME = 0x0040A730, 0x0040A040, 0x0040A043
_MEANING, _CODE_VALUE = 0x00080104, 0x00080100
_REFERENCES, _CLASS, _INSTANCE = 0x00081199, 0x00081150, 0x00081155
_IDENTIFIER = 0x0040DB73  # Referenced Content Item Identifier
_TEXTS = {
    "TEXT": 0x0040A160,
    "DATETIME": 0x0040A120,
    "DATE": 0x0040A121,
    "TIME": 0x0040A122,
    "UIDREF": 0x0040A124,
}
_HEAD = (
    ("Patient", 0x00100010),
    ("Patient ID", 0x00100020),
    ("Birth date", 0x00100030),
    ("Sex", 0x00100040),
    ("Study", 0x00081030),
    ("Study date", 0x00080020),
    ("Accession number", 0x00080050),
    ("Written", 0x00080023),
    ("Completion", 0x0040A491),
    ("Verification", 0x0040A493),
)
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50em;margin:2em auto;padding:0 1em}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:0 1em}dt{color:#555}dd{margin:0}"
    "ul{list-style:none;padding-left:1.5em;border-left:2px solid #ddd}li{margin:.3em 0}"
    "p{white-space:pre-wrap;margin:0}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One content item.

    Attributes:
        depth: items around it.
        name, value: what it says, either may be empty.
    """

    depth: int
    name: str
    value: str


def is_document(header: Values) -> bool:
    """Whether there is a tree of content: SR documents, and Key Object Selections."""
    return _CONTENT in header and bool(header.text(_VALUE_TYPE))


def written(header: Values, kind: str) -> bytes:
    """The whole document in one of the two media types, UTF-8.

    Raises:
        NotAcceptable: it is too long.
    """
    title = _meaning(header, _NAME) or "Report"
    head = [(name, text) for name, tag in _HEAD if (text := _plain(header, tag))]
    lines = list(_lines(header))
    text = _html(title, head, lines) if kind == HTML else _text(title, head, lines)
    return text.encode("utf-8", "replace")


def _lines(header: Values) -> Iterator[Line]:
    """The content items in the order of reading."""
    found = 0
    waiting = [(0, item) for item in reversed(header.items(_CONTENT))]
    while waiting:
        depth, item = waiting.pop()
        found += 1
        if found > MOST:
            raise NotAcceptable(f"the document has more than {MOST} content items")
        yield Line(depth, _meaning(item, _NAME), _value(item))
        waiting += [(depth + 1, each) for each in reversed(item.items(_CONTENT))]


def _value(item: Values) -> str:
    """What an item says, in words."""
    kind = item.text(_VALUE_TYPE).upper()
    if kind in _TEXTS:
        return item.text(_TEXTS[kind])
    if kind in _READERS:
        return _READERS[kind](item)
    reference = item.item(_REFERENCES)
    if reference is not None:
        name = name_of(reference.text(_CLASS))
        frames = ", ".join(f"{each:g}" for each in reference.numbers(0x00081160))
        of = f", frames {frames}" if frames else ""
        return f"{name} {reference.text(_INSTANCE)}{of}"
    numbers = item.numbers(_IDENTIFIER)
    return f"see item {'.'.join(f'{each:g}' for each in numbers)}" if numbers else ""


def _outlined(item: Values, each: int) -> str:
    """A figure, of points of that many numbers."""
    points = len(item.numbers(0x00700022)) // each
    return f"{item.text(0x00700023).lower()} of {points} points".strip()


def _measured(item: Values) -> str:
    measured = item.item(0x0040A300)
    if measured is None:
        return _meaning(item, 0x0040A301)  # Numeric Value Qualifier
    unit = measured.item(0x004008EA)
    code = "" if unit is None else unit.text(_CODE_VALUE)
    number = measured.number(0x0040A30A)
    shown = measured.text(0x0040A30A) if number is not None else ""
    return shown if code in {"", "1"} else f"{shown} {code}"


def _meaning(item: Values, tag: int) -> str:
    code = item.item(tag)
    return "" if code is None else code.text(_MEANING) or code.text(_CODE_VALUE)


_READERS: Final[dict[str, Callable[[Values], str]]] = {
    "PNAME": lambda item: _person(item.text(0x0040A123)),
    "CODE": lambda item: _meaning(item, 0x0040A168),
    "NUM": _measured,
    "SCOORD": lambda item: _outlined(item, 2),
    "SCOORD3D": lambda item: _outlined(item, 3),
    "TCOORD": lambda item: item.text(0x0040A130).lower(),
}


def _plain(header: Values, tag: int) -> str:
    text = header.text(tag)
    if tag == 0x00100010:  # noqa: PLR2004 - Patient's Name
        return _person(text)
    if len(text) == 8 and text.isdigit():  # noqa: PLR2004 - a date
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return text


def _person(name: str) -> str:
    groups = (group.replace("^", " ").strip() for group in name.split("="))
    first, *others = (group for group in groups if group) if name.strip("=^ ") else ("",)
    return f"{first} ({', '.join(others)})" if others else first


def _html(title: str, head: list[tuple[str, str]], lines: list[Line]) -> str:
    parts = [
        '<!DOCTYPE html><html><head><meta charset="utf-8">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>",
        f"<body><h1>{escape(title)}</h1><dl>",
        *(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in head),
        "</dl>",
    ]
    depth = -1
    for line in lines:
        if line.depth > depth:
            parts.append("<ul>" * (line.depth - depth))
        else:
            parts.append("</li>" + "</ul></li>" * (depth - line.depth))
        depth = line.depth
        name = f"<b>{escape(line.name)}</b>" if line.name else ""
        value = f"<p>{escape(line.value)}</p>" if line.value else ""
        parts.append(f"<li>{name}{value}")
    parts.append("</li></ul>" * (depth + 1) + "</body></html>\n")
    return "\n".join(parts)


def _text(title: str, head: list[tuple[str, str]], lines: list[Line]) -> str:
    parts = [title, "=" * len(title), ""]
    parts += [f"{name}: {text}" for name, text in head]
    parts.append("")
    for line in lines:
        text = ": ".join(each for each in (line.name, line.value) if each)
        indent = "  " * line.depth
        parts += [indent + each for each in text.splitlines()]
    return "\n".join(parts) + "\n"
