"""What differs between two configurations? And which of that is applied while we serve."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import TypeVar

from hilum.config.keys import key
from hilum.config.kinds import RESTART, Section
from hilum.config.schema import Settings

S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting, or a whole table that was added or removed.

    Attributes:
        path: such as `dimse.port` or `mounts.PACS`.
        what: "changed", "added" or "removed".
        restart: whether it is applied by a restart only.
    """

    path: str
    what: str
    restart: bool

    def __str__(self) -> str:
        return self.path if self.what == "changed" else f"{self.path} ({self.what})"


def differences(old: Settings, new: Settings) -> list[Difference]:
    """All of them, in the order of the schema."""
    return list(_differences(old, new, (), live=False))


def _differences(
    old: Section, new: Section, above: tuple[str, ...], *, live: bool
) -> Iterator[Difference]:
    live = live or type(old).reloads
    for name in type(old).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        here = (*above, name)
        if before == after:
            continue
        if _are_alike(before, after):
            yield from _differences(before, after, here, live=live and not _is_marked(old, name))
        elif _is_named(old, name):
            yield from _of_tables(before, after, here, live=live)
        else:
            yield Difference(".".join(here), "changed", restart=needs_restart(old, name, live=live))


def _of_tables(
    old: dict[str, Section], new: dict[str, Section], above: tuple[str, ...], *, live: bool
) -> Iterator[Difference]:
    for own in dict.fromkeys((*old, *new)):
        here = (*above, own)
        before, after = old.get(own), new.get(own)
        if before == after:
            continue
        if before is not None and after is not None and type(before) is type(after):
            yield from _differences(before, after, here, live=live)
            continue
        what = "added" if before is None else "removed" if after is None else "changed"
        some = after if after is not None else before
        restart = not (live or (some is not None and type(some).reloads))
        yield Difference(".".join(here), what, restart=restart)


def needs_restart(section: Section | type[Section], name: str, *, live: bool) -> bool:
    """Whether a change of that setting is applied by a restart only.

    Args:
        section: which has it.
        name: its key.
        live: whether the table above is applied while we serve.
    """
    kind = section if isinstance(section, type) else type(section)
    return not (live or kind.reloads) or _is_marked(kind, name)


def applied(old: Settings, new: Settings) -> Settings:
    """The new configuration, but for what needs a restart: that stays as it is.

    It may have clashes that the new one has not: see `Settings.clashes`.
    """
    return _applied(old, new, live=False)


def _applied(old: S, new: S, *, live: bool) -> S:
    live = live or type(old).reloads
    values: dict[str, object] = {}
    for name in type(old).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        if _is_marked(old, name):
            values[name] = before
        elif _are_alike(before, after):
            values[name] = _applied(before, after, live=live)
        elif _is_named(old, name):
            values[name] = {
                own: _applied(before[own], each, live=live)
                if _are_alike(before.get(own), each)
                else each
                for own, each in after.items()
            }
        elif needs_restart(old, name, live=live):
            values[name] = before
    return new.model_copy(update=values)


def _is_marked(section: Section | type[Section], name: str) -> bool:
    kind = section if isinstance(section, type) else type(section)
    return RESTART in kind.model_fields[name].metadata


def _are_alike(before: object, after: object) -> bool:
    return isinstance(before, Section) and type(before) is type(after)


def _is_named(section: Section, name: str) -> bool:
    """Whether it is a table of tables, whose names the user chooses."""
    found = key(type(section).model_fields[name].annotation)
    return found.named and bool(found.sections)


Stamps = tuple[tuple[str, int, int, int], ...]
"""Of files: path, time, size, inode."""
_OF_CERTIFICATES = frozenset(("certificate", "key", "ca_file", "client_ca", "public_key"))


def stamps(*sections: Section | None) -> Stamps:
    """What tells whether a file that sections name has changed."""
    return tuple(stamp for each in sections if each is not None for _, stamp in _stamps("", each))


def stamps_of_certificates(settings: Settings) -> Stamps:
    """The same, of all files with certificates and their keys."""
    return tuple(stamp for name, stamp in _stamps("", settings) if name in _OF_CERTIFICATES)


def _stamps(name: str, value: object) -> Iterator[tuple[str, tuple[str, int, int, int]]]:
    """Each with the setting that names it."""
    if isinstance(value, Section):
        for each in type(value).model_fields:
            yield from _stamps(each, getattr(value, each))
    elif isinstance(value, dict):
        for own, each in value.items():
            yield from _stamps(own, each)
    elif isinstance(value, Path):
        try:
            found = value.stat()
        except OSError:
            return
        if S_ISREG(found.st_mode):
            yield name, (str(value), found.st_mtime_ns, found.st_size, found.st_ino)
