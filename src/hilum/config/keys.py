"""Which keys there are, and which one was meant."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel

Path = tuple[str, ...]
"""Names from the outermost table to the key."""

ANY = "*"  # stands in a path where the user names a table, as in mounts.*.backend


@dataclass(frozen=True, slots=True)
class Key:
    """What may stand at one place.

    Attributes:
        section: the table that stands here, or that each named table here is.
        named: whether the user names the tables: `[mounts.NAME]`.
        kinds: the types of a value, without None.
        optional: whether there may be none.
    """

    section: type[BaseModel] | None = None
    named: bool = False
    kinds: tuple[object, ...] = ()
    optional: bool = False


def key(annotation: object) -> Key:
    """What the annotation of a field allows."""
    if get_origin(annotation) is Annotated:
        return key(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        each = [key(part) for part in get_args(annotation) if part is not type(None)]
        optional = type(None) in get_args(annotation)
        return Key(kinds=tuple(kind for part in each for kind in part.kinds), optional=optional)
    if get_origin(annotation) is dict:
        return Key(section=key(get_args(annotation)[1]).section, named=True)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Key(section=annotation)
    return Key(kinds=(get_origin(annotation) or annotation,))


def keys(section: type[BaseModel]) -> dict[str, Key]:
    """The keys of a section, in the order they are declared."""
    return {name: key(field.annotation) for name, field in section.model_fields.items()}


def paths(section: type[BaseModel], above: Path = ()) -> Iterator[Path]:
    """The paths of all values below; `ANY` stands for a name that the user chooses."""
    for name, found in keys(section).items():
        here = (*above, name, ANY) if found.named else (*above, name)
        if found.section is None:
            yield here
        else:
            yield from paths(found.section, here)


def strange(
    section: type[BaseModel], table: Mapping[str, object], above: Path = ()
) -> Iterator[Path]:
    """The paths in `table` that no key has."""
    known = keys(section)
    for name, value in table.items():
        if name not in known:
            yield (*above, name)
            continue
        found = known[name]
        if found.section is None or not isinstance(value, Mapping):
            continue
        here = (*above, name)
        inner = {(*here, each): value[each] for each in value} if found.named else {here: value}
        for path, content in inner.items():
            if isinstance(content, Mapping):
                yield from strange(found.section, content, path)


def meant(section: type[BaseModel], path: Path) -> Path | None:
    """The right path nearest to a wrong one: alike in the same table, else alike elsewhere."""
    right = [_as_in(path, each) for each in _all(section)]
    siblings = [each for each in right if each[:-1] == path[:-1]]
    for among, cutoff in ((siblings, 0.6), (right, 0.7)):
        leaves = list(dict.fromkeys(each[-1] for each in among))
        near = get_close_matches(path[-1], leaves, n=1, cutoff=cutoff)
        alike = {".".join(each): each for each in among if near and each[-1] == near[0]}
        nearest = get_close_matches(".".join(path), list(alike), n=1, cutoff=0.0)
        if nearest:
            return alike[nearest[0]]
    return None


def _all(section: type[BaseModel]) -> list[Path]:
    """The paths of values and of the tables they stand in."""
    every: dict[Path, None] = {}
    for path in paths(section):
        for end in range(1, len(path) + 1):
            if path[end - 1] != ANY:
                every[path[:end]] = None
    return list(every)


def _as_in(path: Path, right: Path) -> Path:
    """The right path with the names that the user chose."""
    filled = [path[at] if name == ANY and at < len(path) else name for at, name in enumerate(right)]
    return tuple(filled)
