"""How is the file of a configuration changed? As text, so that comments and layout stay.

Secrets that stand in it are shown to nobody: a mask stands in their place, and saving puts them
back. What was changed by somebody else meanwhile is not overwritten.
"""

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from hilum.config import keys
from hilum.config.load import ConfigError, of_text
from hilum.config.schema import Settings

MASK: Final = "●●●●●●"
"""Stands for a secret."""
LONGEST: Final = 512 * 1024  # bytes of a file
_SECRET: Final = re.compile(
    r"pass?w|passcode|secret|authorization|bearer$|token$|dsn|api.?key", re.IGNORECASE
)
_LOGIN: Final = re.compile(r"://[^/\s]*@")
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class File:
    """A file, as it stands there.

    Attributes:
        text: its lines, ended by line feeds.
        tag: another one after each change.
        has_bom, has_crlf: how it is written.
    """

    path: Path
    text: str
    tag: str
    has_bom: bool
    has_crlf: bool

    @property
    def shown(self) -> str:
        """Without its secrets.

        Raises:
            ConfigError: it is no TOML, so nobody knows where secrets are.
        """
        return masked(self.path, self.text)


def opened(path: Path) -> File:
    """The file as it is.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        content = path.read_bytes()
        text = content.removeprefix(_BOM).decode()
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not UTF-8"]) from None
    if len(content) > LONGEST:
        raise ConfigError([f"{path}: is longer than the {LONGEST} bytes that are shown here"])
    return File(
        path,
        text.replace("\r\n", "\n"),
        sha256(content).hexdigest(),
        content.startswith(_BOM),
        b"\r\n" in content,
    )


def masked(path: Path, text: str) -> str:
    """A text without the secrets that stand in it; references to secrets stay.

    Raises:
        ConfigError: it is no TOML.
    """
    document = parsed(path, text)
    for table, name in [*_secrets(document)]:
        table[name] = MASK
    return str(document.as_string())


def unmasked(path: Path, text: str, before: File) -> str:
    """A text with the secrets that were masked in it, as the file has them at the same places.

    Raises:
        ConfigError: it is no TOML, or the file has none there.
    """
    document, former = parsed(path, text), parsed(path, before.text)
    problems = []
    for place, table, name in [*_values(document, ())]:
        if table[name] != MASK:
            continue
        try:
            found: Any = former
            for each in place:
                found = found[each]
        except (KeyError, IndexError, TypeError):
            where = ".".join(map(str, place))
            problems.append(f"{path}: {where}: the mask stands for nothing here; write the secret")
        else:
            table[name] = found
    if problems:
        raise ConfigError(problems)
    return str(document.as_string())


def checked(text: str, before: File, environ: Mapping[str, str]) -> tuple[str, Settings]:
    """What a text that was edited becomes in the file, and what it says.

    Args:
        text: with masks.
        before: what it was made of.
        environ: overrides it.

    Raises:
        ConfigError: with everything that is wrong.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    if lines and not lines.endswith("\n"):
        lines += "\n"
    whole = unmasked(before.path, lines, before)
    return whole, of_text(whole, before.path, environ)


def difference(before: str, after: str, name: str) -> list[str]:
    """A unified difference of two texts."""
    lines = before.splitlines(), after.splitlines()
    return [*unified_diff(*lines, name, f"{name} (changed)", lineterm="")]


def saved(text: str, before: File) -> Path:
    """Put a text into the file, all of it or nothing; where the former one is kept.

    Raises:
        ConfigError: somebody else has changed it, or it cannot be written.
    """
    path = before.path.resolve()  # behind a symbolic link
    if opened(path).tag != before.tag:
        raise ConfigError([f"{before.path}: was changed by somebody else meanwhile: load it again"])
    content = text.replace("\n", "\r\n") if before.has_crlf else text
    kept = path.with_name(f"{path.name}.bak")
    try:
        _copied(path, kept, path.read_bytes())
        _copied(path, path, (_BOM if before.has_bom else b"") + content.encode())
    except OSError as error:
        raise ConfigError([f"{before.path}: cannot be written: {error.strerror}"]) from None
    return kept


def _copied(like: Path, to: Path, content: bytes) -> None:
    """Write a file at once, for whom the other one is."""
    there = like.stat()
    number, name = tempfile.mkstemp(prefix=f".{to.name}.", dir=to.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        made = Path(name).stat()
        if hasattr(os, "chown") and (made.st_uid, made.st_gid) != (there.st_uid, there.st_gid):
            shutil.chown(name, there.st_uid, there.st_gid)
        Path(name).chmod(stat.S_IMODE(there.st_mode))
        Path(name).replace(to)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def parsed(path: Path, text: str) -> Any:  # noqa: ANN401 - a document of tomlkit
    """What keeps comments and layout where it is changed.

    Raises:
        ConfigError: it is no TOML.
    """
    from tomlkit import parse  # noqa: PLC0415 - 20 ms that only those wait for who edit
    from tomlkit.exceptions import TOMLKitError  # noqa: PLC0415 - likewise

    try:
        return parse(text)
    except (TOMLKitError, ValueError, RecursionError) as error:
        raise ConfigError([f"{path}: not TOML: {error}"]) from None


def _secrets(document: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - as above
    """The texts that are secrets by the schema, or look like one: the table, and the key."""
    known = set()
    for above, sections, table in keys.tables((Settings,), document.unwrap()):
        for name, found in keys.keys(*sections).items():
            if SecretStr in found.kinds:
                known |= {*keys.standing(found, table.get(name), (*above, name))}
    for place, table, name in _values(document, ()):
        value = table[name]
        if not isinstance(value, str):
            continue
        above = tuple(map(str, place[:-1]))
        is_reference = name in {"env", "file"} and (above in known or _SECRET.search(above[-1]))
        looks_so = _SECRET.search(str(name)) or _LOGIN.search(value)
        if not is_reference and (tuple(map(str, place)) in known or looks_so):
            yield table, name


def _values(table: Any, above: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any, Any]]:  # noqa: ANN401 - as above
    """All values that are no tables or lists: where, in which, by which key."""
    items = table.items() if isinstance(table, Mapping) else enumerate(table)
    for name, value in [*items]:
        if isinstance(value, (Mapping, list)):
            yield from _values(value, (*above, name))
        else:
            yield (*above, name), table, name
