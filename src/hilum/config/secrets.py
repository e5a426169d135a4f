"""Where a secret stands: `{env = "NAME"}` or `{file = "PATH"}`, never in the file itself."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template

from pydantic import BaseModel, SecretStr

from hilum.config import keys

WAYS = 'write {env = "NAME"} or {file = "PATH"}'
_HANDED_OVER = "CREDENTIALS_DIRECTORY"  # LoadCredential=, systemd.exec(5)


def fetch(value: object, environ: Mapping[str, str], folder: Path) -> str:
    """The secret that `value` points to.

    A relative file starts at `folder`; `$CREDENTIALS_DIRECTORY` and other variables are put in.
    One line feed at the end of a file is not part of the secret.

    Raises:
        ValueError: there is none; the text holds no secret.
    """
    if not isinstance(value, Mapping) or len(value) != 1 or not set(value) <= {"env", "file"}:
        raise ValueError(f"a secret does not stand in the file; {WAYS}")
    way, where = next((way, str(where)) for way, where in value.items())
    if way == "env":
        if where not in environ:
            raise ValueError(f"the environment has no {where}")
        return environ[where]
    if _HANDED_OVER in Template(where).get_identifiers() and _HANDED_OVER not in environ:
        raise ValueError(f"{where}: there is no {_HANDED_OVER}, as the service has it")
    path = folder / Template(where).safe_substitute(environ)
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise ValueError(f"{path}: {reason}") from None


def wanted(
    section: type[BaseModel], content: Mapping[str, object]
) -> Iterator[tuple[keys.Path, object]]:
    """The secrets of a file, as they are written; those that are there already are left out.

    Where a text may stand instead of a secret, a text is one.
    """
    for above, sections, table in keys.tables((section,), content):
        for name, found in keys.keys(*sections).items():
            if SecretStr not in found.kinds:
                continue
            there = (SecretStr, str) if str in found.kinds else SecretStr
            for path, value in keys.standing(found, table.get(name), (*above, name)).items():
                if value is not None and not isinstance(value, there):
                    yield path, value
