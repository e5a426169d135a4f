"""What the configuration says: file, environment and secrets as settings, or all mistakes."""

import json
import re
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from hilum.config import environment, keys, secrets
from hilum.config.schema import Settings

DEFAULT = Path("config.toml")  # in the working directory
_LOGIN = re.compile(r"://[^/\s]*@")  # of a URL with a password in it
S = TypeVar("S", bound=BaseModel)

_WORDS = {
    "missing": "is missing",
    "int_type": "is a whole number, without quotes",
    "bool_type": "is true or false, without quotes",
    "string_type": "is a text, in quotes",
    "tuple_type": "is a list, in [ ]",
    "is_instance_of": "is a path, in quotes",
    "model_type": "is a table, not a value",
    "dict_type": "is a table, not a value",
}
_UNTOLD = SecretStr("?")
"""Stands for a secret that is not to be had: that was told, and is not to be told as another."""


class ConfigError(Exception):
    """The configuration cannot be used.

    Attributes:
        problems: one line for each thing wrong.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of the file at `path`, else at $HILUM_CONFIG, else `config.toml`.

    Relative paths in it start at the folder of the file, from wherever we are called.

    Raises:
        ConfigError: with everything that is wrong.
    """
    where = find(path, environ)
    return _settings(_document(where), where, environ)


def of_text(text: str, where: Path, environ: Mapping[str, str]) -> Settings:
    """The settings that `text` would be in the file `where`.

    Raises:
        ConfigError: with everything that is wrong.
    """
    return _settings(_toml(text, where), where, environ)


def _settings(table: Mapping[str, object], where: Path, environ: Mapping[str, str]) -> Settings:
    settings = read(Settings, where, table, environ)
    if not settings.mounts:
        raise ConfigError([f"{where}: mounts: there is none; add [mounts.ARCHIVE]"])
    return settings.standing_in(where.absolute())


def find(path: Path | None, environ: Mapping[str, str]) -> Path:
    """Which file it is.

    Raises:
        ConfigError: there is none.
    """
    named = path or (Path(environ["HILUM_CONFIG"]) if environ.get("HILUM_CONFIG") else None)
    where = named or DEFAULT
    try:
        if where.is_file():
            return where
    except OSError as error:  # in a folder that is closed to us
        raise ConfigError([f"{where}: cannot be read: {error.strerror}"]) from None
    if named is not None:
        raise ConfigError([f"{where}: there is no such file"])
    raise ConfigError(
        [f"no {DEFAULT} in {Path.cwd()}: go where yours is, or name it with --config FILE"]
    )


def _document(where: Path) -> dict[str, Any]:
    try:
        text = where.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError([f"{where}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{where}: is not UTF-8"]) from None
    return _toml(text, where)


def _toml(text: str, where: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers, and depths, beyond bounds
        raise ConfigError([f"{where}: not TOML: {error}"]) from None


def read(
    section: type[S], where: Path, table: Mapping[str, object], environ: Mapping[str, str]
) -> S:
    """The values of `table` (which stands in the file `where`) and of the environment.

    Raises:
        ConfigError: with everything that is wrong.
    """
    folder = where.absolute().parent
    found = environment.overrides(section, table, environ)
    values: dict[str, Any] = deepcopy(dict(table))
    for path, value in found.values.items():
        environment.put(values, path, value)
    problems: list[str] = []
    for path in list(keys.strange(section, values)):
        problems.append(f"{where}: {'.'.join(path)}: unknown key{_hint(section, values, path)}")
        _drop(values, path)
    problems += found.problems
    for path, value in list(secrets.wanted(section, values)):
        try:
            secret = SecretStr(secrets.fetch(value, environ, folder))
        except ValueError as error:
            problems.append(f"{found.names.get(path, where)}: {'.'.join(path)}: {error}")
            secret = _UNTOLD
        environment.put(values, path, secret)
    try:
        settings = section.model_validate(values, context={"folder": folder})
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            problems += _spell(section, where, values, detail, found.names)
        raise ConfigError(problems) from None
    if problems:
        raise ConfigError(problems)
    return settings


def _hint(section: type[BaseModel], values: Mapping[str, object], path: keys.Path) -> str:
    """What may have been meant by an unknown key."""
    kinds = keys.other_kinds(section, values, path)
    if kinds:
        return f" here; it goes with {keys.KIND} = {' or '.join(map(json.dumps, kinds))}"
    meant = keys.meant(section, values, path)
    return f"; did you mean {'.'.join(meant)}?" if meant else ""


def _drop(table: dict[str, Any], path: keys.Path) -> None:
    for name in path[:-1]:
        table = table[name]
    table.pop(path[-1], None)


def _spell(
    section: type[BaseModel],
    where: Path,
    values: Mapping[str, object],
    detail: ErrorDetails,
    names: Mapping[keys.Path, str],
) -> list[str]:
    """One finding of the schema, in our words."""
    path = _path(section, values, detail["loc"])
    found = keys.at(section, values, path) or keys.Key()
    source = names.get(path, where)
    value = detail["input"]
    text = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "value_error" and found.sections:  # of a table, each line with its key
        return [f"{where}: {'.'.join((*path, line))}" for line in text.splitlines()]
    if detail["type"] == "union_tag_invalid":
        path = (*path, keys.KIND)
        return [f"{names.get(path, where)}: {'.'.join(path)}: {_no_kind(found, value)}"]
    text = _WORDS.get(detail["type"], text.replace("Input should be", "should be"))
    if detail["type"] == "dict_type" and found.sections:
        text = "is a table of tables, not a value"
    if isinstance(value, (str, int, float)) and "[key]" not in detail["loc"]:
        text += "" if SecretStr in found.kinds else _it_is(value)
    return [f"{source}: {'.'.join(path)}: {text}"]


def _path(
    section: type[BaseModel], values: Mapping[str, object], loc: tuple[int | str, ...]
) -> keys.Path:
    """Where a finding is, without the words that tell kinds of tables apart for the schema."""
    path: keys.Path = ()
    parts = (part for part in loc if part != "[key]")
    for part in parts:
        path = (*path, str(part))
        found = keys.at(section, values, path)
        if found is not None and not found.named and len(found.sections) > 1:
            next(parts, None)
    return path


def _no_kind(found: keys.Key, value: object) -> str:
    """That a table says a kind that there is not."""
    kinds = [keys.kind(each) for each in found.sections]
    says = keys.table(value).get(keys.KIND)
    near = get_close_matches(str(says).lower(), kinds, n=1, cutoff=0.5)
    hint = f"; did you mean {json.dumps(near[0])}?" if near else ""
    return f"should be one of {', '.join(map(json.dumps, kinds))}{_it_is(says)}{hint}"


def _it_is(value: object) -> str:
    """What stands there, unless there may be a password in it."""
    spelt = json.dumps(value, ensure_ascii=False, default=str)
    return "" if _LOGIN.search(spelt) else f" (it is {spelt})"
