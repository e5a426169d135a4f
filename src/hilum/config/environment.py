"""What the environment overrides: HILUM_SECTION__KEY, with the mistakes in it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, SecretStr

from hilum.config.keys import ANY, Key, Path, keys, paths

PREFIX = "HILUM_"
OTHERS = frozenset({"HILUM_CONFIG", "HILUM_SAMPLES"})
"""Names of ours that are not settings."""
_KUBERNETES = re.compile(
    r"HILUM_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
# Kubernetes puts these into every container when a Service of the cluster is called "hilum".
_BOOLEANS = dict.fromkeys(("true", "yes", "on", "1"), True)
_BOOLEANS |= dict.fromkeys(("false", "no", "off", "0"), False)


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the environment says.

    Attributes:
        values: path -> value.
        names: path -> name of the variable that says so.
        problems: one line for each variable that says nothing.
    """

    values: dict[Path, object] = field(default_factory=dict)
    names: dict[Path, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def overrides(
    section: type[BaseModel], table: Mapping[str, object], environ: Mapping[str, str]
) -> Overrides:
    """What `environ` overrides in `table`; tables with names of their own must be there already."""
    found = Overrides()
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in OTHERS or _KUBERNETES.fullmatch(name):
            continue
        path = _path(section, table, name.removeprefix(PREFIX).split("__"))
        if path is None:
            found.problems.append(f"{name}: no setting has this name{_meant(section, table, name)}")
            continue
        setting, value = _value(section, path, environ[name])
        if setting in found.values:
            found.problems.append(f"{name}: {found.names[setting]} sets {'.'.join(setting)} too")
        else:
            found.values[setting] = value
            found.names[setting] = name
    return found


def put(table: dict[str, Any], path: Path, value: object) -> None:
    """Set what stands at `path`, making the tables above it."""
    for name in path[:-1]:
        below = table.get(name)
        if not isinstance(below, dict):
            below = table[name] = {}
        table = below
    table[path[-1]] = value


def _path(section: type[BaseModel], table: Mapping[str, object], parts: list[str]) -> Path | None:
    """The path that the parts of a variable's name mean, if any."""
    name = parts[0].lower()
    found = keys(section).get(name)
    if found is None:
        return None
    if found.section is None:
        ways = tuple(each.lower() for each in parts[1:])
        secret = SecretStr in found.kinds and ways in {("env",), ("file",)}
        return (name, *ways) if not ways or secret else None
    inner = table.get(name)
    inner = inner if isinstance(inner, Mapping) else {}
    rest = parts[1:]
    above: Path = (name,)
    if found.named:
        own = _named(inner, rest[0]) if rest else None
        if own is None:
            return None
        above, rest = (name, own), rest[1:]
        content = inner[own]
        inner = content if isinstance(content, Mapping) else {}
    below = _path(found.section, inner, rest) if rest else None
    return (*above, *below) if below is not None else None


def _named(tables: Mapping[str, object], part: str) -> str | None:
    """The table that is meant: exactly, or without regard to case and to what a shell forbids."""
    if part in tables:
        return part
    return next((each for each in tables if _shell(each) == _shell(part)), None)


def _shell(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def _value(section: type[BaseModel], path: Path, text: str) -> tuple[Path, object]:
    """The setting that is set, and the text as its type; the schema judges what it cannot be."""
    here = section
    for at, name in enumerate(path):
        found = keys(here).get(name)
        if found is None:
            continue  # a name that the user chose
        if found.section is not None:
            here = found.section
            continue
        if at + 1 < len(path):
            return path[: at + 1], {path[-1]: text}  # where a secret stands
        return path, _typed(found, text)
    return path, text


def _typed(found: Key, text: str) -> object:
    if found.optional and not text:
        return None
    if bool in found.kinds:
        return _BOOLEANS.get(text.strip().lower(), text)
    if int in found.kinds and re.fullmatch(r"\s*[+-]?\d+\s*", text):
        return int(text)
    return text


def _meant(section: type[BaseModel], table: Mapping[str, object], name: str) -> str:
    near = get_close_matches(name.upper(), list(_names(section, table)), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _names(section: type[BaseModel], table: Mapping[str, object]) -> Iterator[str]:
    """Every name that would be right with this file."""
    for path in paths(section):
        tables = table.get(path[0])
        chosen = list(tables) if ANY in path and isinstance(tables, Mapping) else [ANY]
        for own in chosen:
            yield PREFIX + "__".join(_shell(own if part == ANY else part) for part in path)
