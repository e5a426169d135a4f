"""What the environment overrides: HILUM_SECTION__KEY, with the mistakes in it."""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, SecretStr

from hilum.config.keys import ANY, KIND, Key, Path, Sections, keys, paths, table

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
    section: type[BaseModel], content: Mapping[str, object], environ: Mapping[str, str]
) -> Overrides:
    """What `environ` overrides in a file; tables with names of their own must be there already."""
    found = Overrides()
    now = deepcopy(dict(content))
    ours = [each for each in environ if each.startswith(PREFIX) and each not in OTHERS]
    for name in sorted(ours, key=_first_kinds):
        if _KUBERNETES.fullmatch(name):
            continue
        setting = _setting((section,), now, name.removeprefix(PREFIX).split("__"))
        if setting is None:
            found.problems.append(f"{name}: no setting has this name{_meant(section, now, name)}")
            continue
        path, key, way = setting
        if path in found.values:
            found.problems.append(f"{name}: {found.names[path]} sets {'.'.join(path)} too")
            continue
        value = {way: environ[name]} if way else _typed(key, environ[name])
        found.values[path] = value
        found.names[path] = name
        put(now, path, value)
    return found


def _first_kinds(name: str) -> tuple[bool, str]:
    """First come those that say of what kind a table is, as others depend on it."""
    return not name.upper().endswith(f"__{KIND.upper()}"), name


def put(table: dict[str, Any], path: Path, value: object) -> None:
    """Set what stands at `path`, making the tables above it."""
    for name in path[:-1]:
        below = table.get(name)
        if not isinstance(below, dict):
            below = table[name] = {}
        table = below
    table[path[-1]] = value


def _setting(
    sections: Sections, content: Mapping[str, object], parts: list[str]
) -> tuple[Path, Key, str] | None:
    """What the parts of a variable's name mean, if anything.

    The path, its key, and "env" or "file" where the variable says where a secret stands.
    """
    name = parts[0].lower()
    found = keys(*sections).get(name)
    if found is None:
        return None
    path: Path = (name,)
    value = content.get(name)
    rest = parts[1:]
    if found.named:
        own = _named(table(value), rest[0]) if rest else None
        if own is None:
            return None
        path, value, rest = (name, own), table(value)[own], rest[1:]
    if found.sections:
        below = _setting(found.told(value), table(value), rest) if rest else None
        return ((*path, *below[0]), *below[1:]) if below is not None else None
    way = "__".join(rest).lower()
    pointed = SecretStr in found.kinds and way in {"env", "file"}
    return (path, found, way) if pointed or not rest else None


def _named(tables: Mapping[str, object], part: str) -> str | None:
    """The table that is meant: exactly, or without regard to case and to what a shell forbids."""
    if part in tables:
        return part
    return next((each for each in tables if _shell(each) == _shell(part)), None)


def _shell(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def _typed(found: Key, text: str) -> object:
    """The text as its type; the schema judges what it cannot be."""
    if found.optional and not text:
        return None
    if SecretStr in found.kinds:
        return SecretStr(text)
    if bool in found.kinds:
        return _BOOLEANS.get(text.strip().lower(), text)
    if int in found.kinds and re.fullmatch(r"\s*[+-]?\d+\s*", text):
        return int(text)
    return text


def _meant(section: type[BaseModel], content: Mapping[str, object], name: str) -> str:
    near = get_close_matches(name.upper(), list(_names(section, content)), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def _names(section: type[BaseModel], content: Mapping[str, object]) -> Iterator[str]:
    """Every name that would be right with this file."""
    for path in paths((section,), content):
        if ANY not in path:
            yield PREFIX + "__".join(map(_shell, path))
