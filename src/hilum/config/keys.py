"""Which keys there are, and which one was meant."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic import BaseModel

Path = tuple[str, ...]
"""Names from the outermost table to the key."""

Sections = tuple[type[BaseModel], ...]
"""What a table may be: one section, or those of several kinds while its kind is not known."""

ANY = "*"  # stands in a path where the user names a table that is not there yet
KIND = "backend"  # the key that tells the kinds of a table apart


@dataclass(frozen=True, slots=True)
class Key:
    """What may stand at one place.

    Attributes:
        sections: the table that stands here, one for each kind of it; empty: a value does.
        named: whether it is a table of them, whose names the user chooses: `[mounts.NAME]`.
        kinds: the types of a value, without None.
        optional: whether there may be none.
    """

    sections: Sections = ()
    named: bool = False
    kinds: tuple[object, ...] = ()
    optional: bool = False

    def told(self, value: object) -> Sections:
        """The sections that this table may be: by its kind, and all where it says a wrong one."""
        if len(self.sections) <= 1:
            return self.sections
        says = table(value).get(KIND, self.default_kind)
        return tuple(each for each in self.sections if kind(each) == says) or self.sections

    @property
    def default_kind(self) -> str | None:
        """The kind of a table that does not say."""
        usual = (each for each in self.sections if not each.model_fields[KIND].is_required())
        return next(map(kind, usual), None)


def kind(section: type[BaseModel]) -> str:
    """The word for this one of several kinds of a table."""
    return str(get_args(section.model_fields[KIND].annotation)[0])


def key(annotation: object) -> Key:
    """What the annotation of a field allows."""
    if get_origin(annotation) is Annotated:
        return key(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        each = [key(part) for part in get_args(annotation) if part is not type(None)]
        return Key(
            sections=tuple(one for part in each for one in part.sections),
            kinds=tuple(one for part in each for one in part.kinds),
            optional=type(None) in get_args(annotation),
        )
    if get_origin(annotation) is dict:
        inner = key(get_args(annotation)[1])
        return Key(sections=inner.sections, kinds=inner.kinds, named=True)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Key(sections=(annotation,))
    return Key(kinds=(get_origin(annotation) or annotation,))


def keys(*sections: type[BaseModel]) -> dict[str, Key]:
    """The keys of a section, in the order they are declared; of several, those of all."""
    fields = (field for section in sections for field in section.model_fields.items())
    return {name: key(field.annotation) for name, field in fields}


def table(value: object) -> Mapping[str, object]:
    """What a table of the file holds; nothing, where something else stands in its place."""
    return value if isinstance(value, Mapping) else {}


def standing(found: Key, value: object, here: Path) -> dict[Path, object]:
    """What stands at a key: its value, or the value of each name that the user chose."""
    if not found.named:
        return {here: value}
    return {(*here, own): each for own, each in table(value).items()}


def tables(
    sections: Sections, content: Mapping[str, object], above: Path = ()
) -> Iterator[tuple[Path, Sections, Mapping[str, object]]]:
    """The table and all below it: path, what it may be, content."""
    yield above, sections, content
    for name, found in keys(*sections).items():
        for here, value in standing(found, content.get(name), (*above, name)).items():
            if found.sections and isinstance(value, Mapping):
                yield from tables(found.told(value), value, here)


def paths(sections: Sections, content: Mapping[str, object], above: Path = ()) -> Iterator[Path]:
    """The paths of all values that are right with this content.

    Where the user may choose a name and has chosen none, `ANY` stands.
    """
    for name, found in keys(*sections).items():
        here = (*above, name)
        inner = standing(found, content.get(name), here) or {(*here, ANY): None}
        for path, value in inner.items():
            if found.sections:
                yield from paths(found.told(value), table(value), path)
            else:
                yield path


def at(section: type[BaseModel], content: Mapping[str, object], path: Path) -> Key | None:
    """What may stand at a path, if anything; of a named table, every kind that it could be."""
    found = Key(sections=(section,))
    value: object = content
    left = list(path)
    while left:
        below = keys(*found.told(value)).get(left[0])
        if below is None:
            return None
        found, value = below, table(value).get(left.pop(0))
        if found.named and left:
            found, value = replace(found, named=False), table(value).get(left.pop(0))
    return found


def strange(section: type[BaseModel], content: Mapping[str, object]) -> Iterator[Path]:
    """The paths in a file that no key has."""
    for above, sections, inner in tables((section,), content):
        yield from ((*above, name) for name in inner if name not in keys(*sections))


def meant(section: type[BaseModel], content: Mapping[str, object], path: Path) -> Path | None:
    """The right path nearest to a wrong one: alike in the same table, else alike elsewhere."""
    right = _all(section, content)
    siblings = [each for each in right if each[:-1] == path[:-1]]
    for among, cutoff in ((siblings, 0.6), (right, 0.7)):
        leaves = list(dict.fromkeys(each[-1] for each in among))
        near = get_close_matches(path[-1], leaves, n=1, cutoff=cutoff)
        alike = {".".join(each): each for each in among if near and each[-1] == near[0]}
        nearest = get_close_matches(".".join(path), list(alike), n=1, cutoff=0.0)
        if nearest:
            return alike[nearest[0]]
    return None


def _all(section: type[BaseModel], content: Mapping[str, object]) -> list[Path]:
    """The right paths of values and of the tables they stand in."""
    every: dict[Path, None] = {}
    for path in paths((section,), content):
        for end in range(1, len(path) + 1):
            if path[end - 1] == ANY:
                break
            every[path[:end]] = None
    return list(every)


def other_kinds(section: type[BaseModel], content: Mapping[str, object], path: Path) -> list[str]:
    """The other kinds of its table that have the key at this path."""
    found = at(section, content, path[:-1])
    others = found.sections if found is not None and len(found.sections) > 1 else ()
    return [kind(each) for each in others if path[-1] in each.model_fields]
