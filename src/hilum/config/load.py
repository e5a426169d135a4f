"""What the configuration says: file, environment and secrets as settings, or all mistakes."""

import json
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from hilum.config import environment, keys, secrets
from hilum.config.schema import Settings

DEFAULT = Path("config.toml")  # in the working directory
S = TypeVar("S", bound=BaseModel)

_WORDS = {
    "missing": "is missing",
    "int_type": "is a whole number, without quotes",
    "bool_type": "is true or false, without quotes",
    "string_type": "is a text, in quotes",
    "tuple_type": "is a list, in [ ]",
    "model_type": "is a table, not a value",
    "dict_type": "is a table of tables, not a value",
}


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
    settings = read(Settings, where, _document(where), environ)
    if not settings.mounts:
        raise ConfigError([f"{where}: mounts: there is none; add [mounts.ARCHIVE]"])
    return settings


def find(path: Path | None, environ: Mapping[str, str]) -> Path:
    """Which file it is.

    Raises:
        ConfigError: there is none.
    """
    named = path or (Path(environ["HILUM_CONFIG"]) if environ.get("HILUM_CONFIG") else None)
    where = named or DEFAULT
    if where.is_file():
        return where
    if named is not None:
        raise ConfigError([f"{where}: there is no such file"])
    raise ConfigError(
        [f"no {DEFAULT} in {Path.cwd()}: go where yours is, or name it with --config FILE"]
    )


def _document(where: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(where.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError([f"{where}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{where}: is not UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{where}: not TOML: {error}"]) from None


def read(
    section: type[S], where: Path, table: Mapping[str, object], environ: Mapping[str, str]
) -> S:
    """The values of `table` (which stands in the file `where`) and of the environment.

    Raises:
        ConfigError: with everything that is wrong.
    """
    folder = where.absolute().parent
    problems: list[str] = []
    unknown = list(keys.strange(section, table))
    for each in unknown:
        meant = keys.meant(section, each)
        hint = f"; did you mean {'.'.join(meant)}?" if meant else ""
        problems.append(f"{where}: {'.'.join(each)}: unknown key{hint}")
    found = environment.overrides(section, table, environ)
    problems += found.problems
    values: dict[str, Any] = deepcopy(dict(table))
    for each in unknown:
        _drop(values, each)
    for each, value in found.values.items():
        environment.put(values, each, value)
    for each, value in list(secrets.wanted(section, values)):
        if isinstance(value, str) and each in found.names:
            continue  # the environment holds the secret itself
        try:
            environment.put(values, each, secrets.fetch(value, environ, folder))
        except ValueError as error:
            problems.append(f"{where}: {'.'.join(each)}: {error}")
            _drop(values, each)
    try:
        settings = section.model_validate(values, context={"folder": folder})
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            problems += _spell(section, where, detail, found.names)
        raise ConfigError(problems) from None
    if problems:
        raise ConfigError(problems)
    return settings


def _drop(table: dict[str, Any], path: keys.Path) -> None:
    for name in path[:-1]:
        table = table[name]
    table.pop(path[-1], None)


def _spell(
    section: type[BaseModel], where: Path, detail: ErrorDetails, names: Mapping[keys.Path, str]
) -> list[str]:
    """One finding of the schema, in our words."""
    path = tuple(str(part) for part in detail["loc"] if part != "[key]")
    text = detail["msg"].removeprefix("Value error, ")
    if not path:
        return [f"{where}: {line}" for line in text.splitlines()]
    text = _WORDS.get(detail["type"], text.replace("Input should be", "should be"))
    value = detail["input"]
    if isinstance(value, (str, int, float)) and "[key]" not in detail["loc"]:
        hidden = SecretStr in _kinds(section, path)
        text += "" if hidden else f" (it is {json.dumps(value, ensure_ascii=False)})"
    source = names.get(path, where)
    return [f"{source}: {'.'.join(path)}: {text}"]


def _kinds(section: type[BaseModel], path: keys.Path) -> tuple[object, ...]:
    found = keys.Key(section=section)
    for name in path:
        if found.section is not None and name in keys.keys(found.section):
            found = keys.keys(found.section)[name]
    return found.kinds
